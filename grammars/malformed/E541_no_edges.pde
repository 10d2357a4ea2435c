# expect E541 at 4:9
# stage: check
domain:
    i ∈ graph("data/two_nodes.csv")
    t ∈ [0, 1]

fields:
    u(t, i) : scalar

equations:
    ∂t u = ∇²u

initial:
    u = 1
