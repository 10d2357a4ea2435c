pdesl 1
# Poisson equation in the unit ball, Dirichlet data from a manufactured solution
domain:
    Ω = ball(center=(0, 0, 0), radius=1)
    x, y, z ∈ Ω

fields:
    u(x, y, z) : scalar
    f(x, y, z) : source

equations:
    -∇²u = f

boundary:
    u = exact(u)    on ∂Ω

manufactured:
    u = 1 + sin(π x/2) cos(π y/2) exp(z/2)

solver:
    method = dt_pinn(nodes=2500, order=3)

verify:
    relative_l2(u) ≤ 1e-3

output:
    at end: u -> "ball.h5"
