# expect E414 at 4:15
# stage: check
domain:
    i ∈ graph(3)
    t ∈ [0, 1]

fields:
    u(t, i) : scalar

equations:
    ∂t u = u

initial:
    u = 1
