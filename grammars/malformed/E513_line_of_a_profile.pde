# expect E513 at 19:5
# stage: check
domain:
    x, y ∈ [0, 1]

fields:
    u(x, y) : scalar

equations:
    ∇²u = x

boundary:
    u = 0    on ∂Ω

solver:
    method = dt_pinn(order=4)

profile "quick":
    every 1: u -> "u.h5"
