pdesl 1
# The Brusselator, an autocatalytic reaction of two species that diffuse in a disk without flux
# through its boundary (I. Prigogine and R. Lefever, J. Chem. Phys. 48, 1968); no solution is
# known, so errors are measured against a fine run of the method of lines
parameters:
    A = 1
    B = 2.5
    D_u = 0.1
    D_v = 0.05

domain:
    Ω = disk(center=(0, 0), radius=1)
    x, y ∈ Ω
    t ∈ [0, 1]

fields:
    u(t, x, y), v(t, x, y) : scalar

equations:
    ∂t u = D_u ∇²u + A - (B + 1) u + u² v
    ∂t v = D_v ∇²v + B u - u² v

boundary:
    ∂n u = 0    on ∂Ω
    ∂n v = 0    on ∂Ω

initial:
    u = 1 + (1 - x² - y²)² (1 + x)
    v = 2 - (1 - x² - y²)² y

solver:
    method = dt_pinn(nodes=600, slices=17, order=4, iterations=1000)

verify:
    reference = method_of_lines(space=rbf_fd(nodes=3000, order=4), time=imex_rk4(dt=0.01))
    relative_l2(u) ≤ 1e-3
    relative_l2(v) ≤ 1e-3

output:
    at end: u, v -> "brusselator.h5"
