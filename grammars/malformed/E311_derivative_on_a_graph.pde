# expect E311 at 11:18
# stage: check
domain:
    i ∈ graph("data/triangle.csv")
    t ∈ [0, 1]

fields:
    u(t, i) : scalar

equations:
    ∂t u = ∇²u - ∂i u

initial:
    u = 1
