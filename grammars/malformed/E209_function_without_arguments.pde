# expect E209 at 13:11
# stage: check
domain:
    x, y ∈ [0, 1]

let:
    r(s) = s²

fields:
    u(x, y) : scalar

equations:
    ∇²u = r + x

boundary:
    u = 0    on ∂Ω
