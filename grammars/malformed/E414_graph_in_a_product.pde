# expect E414 at 4:9
# stage: check
domain:
    i ∈ graph("data/triangle.csv")
    x ∈ [0, 1]
    t ∈ [0, 1]

fields:
    u(t, i, x) : scalar

equations:
    ∂t u = u

initial:
    u = 1
