# expect E142 at 15:12
# expect E142 at 16:12
# stage: parse
domain:
    x, y ∈ [0, 1]
    t ∈ [0, 1]

parameters:
    κ = 2

fields:
    u(t, x, y) : scalar

equations:
    ∂t u = κ(4 + x)
    ∂x u = u(1 - u)
