pdesl 1
# Linear Poisson equation on a star-shaped domain with a Robin condition
# (R. Sharma and V. Shankar, NeurIPS 2022, appendix A.1.3)
domain:
    Ω = polar(radius=1 + 0.1 (sin(6 θ) + sin(3 θ)))
    x, y ∈ Ω

fields:
    u(x, y) : scalar
    f(x, y) : source

equations:
    ∇²u = f

boundary:
    ∂n u + u = ∂n exact(u) + exact(u)    on ∂Ω

manufactured:
    u = 1 + sin(π x) cos(π y)

solver:
    method = dt_pinn(nodes=2180, order=4)

verify:
    relative_l2(u) ≤ 1e-3

output:
    at end: u -> "poisson.h5"
