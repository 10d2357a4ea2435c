# expect E531 at 21:22
# stage: check
domain:
    Ω = disk(radius=1)
    x, y ∈ Ω
    t ∈ [0, 1]

fields:
    u(t, x, y) : scalar

equations:
    ∂t u = ∇²u

boundary:
    u = 0    on ∂Ω

initial:
    u = 0

solver:
    method = dt_pinn(spacing=0.1 + 0.01 t)
