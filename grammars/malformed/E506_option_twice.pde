# expect E506 at 17:5
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
    order = 5
