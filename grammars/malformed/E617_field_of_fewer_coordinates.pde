# expect E617 at 8:5
# stage: check
domain:
    x, y ∈ [0, 1]

fields:
    u(x, y) : scalar
    w(x) : scalar

equations:
    ∇²u = w
    ∂x²w = 0

boundary:
    u = 0    on ∂Ω
    w = 0    on left, right
