pdesl 1
# Nonlinear Poisson equation on the unit disk with a Robin condition
# (R. Sharma and V. Shankar, Accelerated training of physics-informed neural networks using
# meshless discretizations, NeurIPS 2022, section 4.3)
domain:
    Ω = disk(center=(0, 0), radius=1)
    x, y ∈ Ω

fields:
    u(x, y) : scalar
    f(x, y) : source    # unknown source: derived from the manufactured solution

equations:
    ∇²u = exp(u) + f

boundary:
    ∂n u + u = ∂n exact(u) + exact(u)    on ∂Ω

manufactured:
    u = 1 + sin(π x) cos(π y)

solver:
    method = dt_pinn(nodes=1663, order=4)

verify:
    relative_l2(u) ≤ 1e-4

output:
    at end: u -> "poisson.h5"
