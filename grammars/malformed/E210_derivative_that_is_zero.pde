# expect E210 at 11:5
# stage: check
domain:
    x, y ∈ [0, 1]
    t ∈ [0, 1]

fields:
    u(x, y) : scalar

equations:
    ∂t u = ∇²u

boundary:
    u = 0    on ∂Ω
