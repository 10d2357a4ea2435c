pdesl 1
# Burgers' equations of a velocity field in the plane: waves that steepen and viscosity that holds
# against it. Without vorticity they are the heat equation of φ with u = -2 ν ∇ log φ (J. D. Cole,
# Quart. Appl. Math. 9, 1951), here of φ = 1 + b exp(-2 ν t) cos x cos y
parameters:
    ν = 0.2
    b = 0.7       # nearer to one, steeper
    T = 0.5

domain:
    x, y ∈ periodic(0, 2 π)
    t ∈ [0, T]

fields:
    u(t, x, y) : scalar
    v(t, x, y) : scalar

let:
    E(s) = b exp(-2 ν s)

equations:
    ∂t u + u ∂x u + v ∂y u = ν ∇²u
    ∂t v + u ∂x v + v ∂y v = ν ∇²v

initial:
    u = exact(u)
    v = exact(v)

solver:
    method = neural_ivp(width=12, depth=2, frequencies=2, samples=300, integrator=rk23(rtol=1e-3))

verify:
    u = 2 ν E(t) sin(x) cos(y) / (1 + E(t) cos(x) cos(y))
    v = 2 ν E(t) cos(x) sin(y) / (1 + E(t) cos(x) cos(y))
    relative_l2(u) ≤ 2e-3
    relative_l2(v) ≤ 2e-3

output:
    at end: u, v -> "burgers.h5"

profile "large":
    parameters.ν = 0.05
    parameters.b = 0.95
    parameters.T = 2
    solver.width = 64
    solver.depth = 3
    solver.frequencies = 4
    solver.samples = 10000
    solver.integrator = rk45(rtol=1e-5)
