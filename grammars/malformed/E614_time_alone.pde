# expect E614 at 4:5
# stage: check
domain:
    t ∈ [0, 1]

fields:
    u(t) : scalar

equations:
    ∂t u = -u

initial:
    u = 1

solver:
    method = dt_pinn
