# expect E331 at 7:7
# stage: check
domain:
    x, y ∈ [0, 1]

let:
    f(2) = x

fields:
    u(x, y) : scalar

equations:
    ∇²u = f(2)

boundary:
    u = 0    on ∂Ω
