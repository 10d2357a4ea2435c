# expect E321 at 11:5
# stage: check
domain:
    x, y ∈ [0, 1]

fields:
    u(x, y) : scalar

equations:
    ∇²u = x
    u = u

boundary:
    u = 0    on ∂Ω
