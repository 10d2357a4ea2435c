# expect E324 at 11:5
# stage: check
domain:
    x, y ∈ [0, 1]

fields:
    u(x, y) : scalar
    w(x, y) : scalar

equations:
    ∇²u + ∇²w = x

boundary:
    u = 0    on ∂Ω
    w = 0    on ∂Ω
