# expect E311 at 11:12
# stage: check
domain:
    i ∈ graph("data/triangle.csv")
    t ∈ [0, 1]

fields:
    u(t, i) : scalar

equations:
    ∂t u = ∇²(u²)

initial:
    u = 1
