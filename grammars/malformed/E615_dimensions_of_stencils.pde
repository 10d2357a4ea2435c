# expect E615 at 4:5
# stage: check
domain:
    x ∈ [0, 1]^4

fields:
    u(x) : scalar

equations:
    ∇²u = 1

boundary:
    u = 0    on ∂Ω

solver:
    method = dt_pinn(order=2)
