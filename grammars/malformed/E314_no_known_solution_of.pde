# expect E314 at 15:5
# stage: check
domain:
    x, y ∈ [0, 1]

fields:
    u(x, y) : scalar
    w(x, y) : scalar

equations:
    ∇²u = w
    ∇²w = 0

manufactured:
    u = x

boundary:
    u = x    on ∂Ω
    w = 0    on ∂Ω
