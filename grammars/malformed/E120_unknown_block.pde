# expect E120 at 13:1
# stage: parse
domain:
    x, y ∈ [0, 1]
    t ∈ [0, 1]

parameters:
    κ = 2

fields:
    u(t, x, y) : scalar

eqations:
    ∂t u = κ ∇²u
