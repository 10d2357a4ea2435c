# expect E143 at 14:5
# stage: parse
domain:
    x, y ∈ [0, 1]
    t ∈ [0, 1]

parameters:
    κ = 2

fields:
    u(t, x, y) : scalar

equations:
    ∂xu = 0
