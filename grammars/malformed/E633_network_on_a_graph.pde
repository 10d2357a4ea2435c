# expect E633 at 4:5
# stage: check
domain:
    i ∈ graph("data/triangle.csv")
    t ∈ [0, 1]

fields:
    u(t, i) : scalar

equations:
    ∂t u = ∇²u

initial:
    u = 1

solver:
    method = pinn
