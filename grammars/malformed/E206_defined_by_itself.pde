# expect E206 at 7:5
# stage: check
domain:
    x, y ∈ [0, 1]

let:
    a = b + x
    b = a - y

fields:
    u(x, y) : scalar

equations:
    ∇²u = a

boundary:
    u = 0    on ∂Ω
