pdesl 1
# Steady diffusion with an anisotropic, variable conductivity on the unit square:
# Dirichlet data left and right, a prescribed flux at bottom and top
parameters:
    ε = 0.3    # strength of the variation
    a = 0.4    # off-diagonal conductivity

domain:
    x, y ∈ [0, 1]

let:
    κ = 1 + ε sin(π x) sin(π y)
    K = [[κ, a x y], [a x y, 2 - x/2]]

fields:
    u(x, y) : scalar
    f(x, y) : source

equations:
    -∇·(K ∇u) = f

boundary:
    u = exact(u)    on x = 0, x = 1
    n · (K ∇u) = n · (K ∇exact(u))    on y = 0, y = 1

manufactured:
    u = sin(π x) cos(π y) + x y

solver:
    method = dt_pinn(nodes=1600, order=4)

verify:
    relative_l2(u) ≤ 1e-3

output:
    at end: u -> "diffusion.h5"
