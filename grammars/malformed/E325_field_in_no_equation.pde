# expect E325 at 8:5
# stage: check
domain:
    x, y ∈ [0, 1]

fields:
    u(x, y) : scalar
    w(x, y) : scalar

equations:
    ∇²u = x
    ∂x u = y

boundary:
    u = 0    on ∂Ω
