pdesl 1
# Forced heat equation on the unit disk with a Robin condition, all time slices at once
# (R. Sharma and V. Shankar, NeurIPS 2022, section 4.4: 828 nodes, 24 steps)
domain:
    Ω = disk(center=(0, 0), radius=1)
    x, y ∈ Ω
    t ∈ [0, 1]

fields:
    u(t, x, y) : scalar
    f(t, x, y) : source

equations:
    ∂t u = ∇²u + f

boundary:
    ∂n u + u = ∂n exact(u) + exact(u)    on ∂Ω

initial:
    u = exact(u)

manufactured:
    u = 1 + sin(π x) cos(π y) sin(π t)

solver:
    method = dt_pinn(nodes=828, slices=25, order=4, iterations=600)

verify:
    relative_l2(u) ≤ 1e-3

output:
    at end: u -> "heat.h5"
