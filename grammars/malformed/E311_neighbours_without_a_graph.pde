# expect E311 at 11:12
# stage: check
domain:
    x ∈ periodic(0, 1)
    t ∈ [0, 1]

fields:
    u(t, x) : scalar

equations:
    ∂t u = neighbours(u)

initial:
    u = 1
