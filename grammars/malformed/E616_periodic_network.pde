# expect E616 at 5:5
# stage: check
domain:
    x ∈ [0, 1]
    y ∈ periodic(0, 1)

fields:
    u(x, y) : scalar

equations:
    ∇²u = x

boundary:
    u = 0    on ∂Ω

solver:
    method = pinn(width=20)
