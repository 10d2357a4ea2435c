# expect E505 at 11:9
# stage: check
domain:
    i ∈ graph("data/triangle.csv")
    t ∈ [0, 1]

fields:
    u(t, i) : scalar

closure:
    w = load(u)

equations:
    ∂t u = ∇²u + w

initial:
    u = 1
