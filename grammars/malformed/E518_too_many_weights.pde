# expect E518 at 16:32
# stage: check
domain:
    x, y ∈ [0, 1]

fields:
    u(x, y) : scalar

equations:
    ∇²u = 1

boundary:
    u = 0    on ∂Ω

solver:
    method = dt_pinn(depth=50, width=9000)
