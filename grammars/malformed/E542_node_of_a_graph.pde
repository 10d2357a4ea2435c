# expect E542 at 4:9
# stage: check
domain:
    i ∈ graph("data/not_a_graph.csv")
    t ∈ [0, 1]

fields:
    u(t, i) : scalar

equations:
    ∂t u = ∇²u

initial:
    u = 1
