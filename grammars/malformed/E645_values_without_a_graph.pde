# expect E645 at 11:5
# stage: check
domain:
    x ∈ periodic(0, 1)
    t ∈ [0, 1]

fields:
    u(t, x) : scalar

closure:
    w = load("data/two_nodes.csv")

equations:
    ∂t u = ∂x²u + w

initial:
    u = 1
