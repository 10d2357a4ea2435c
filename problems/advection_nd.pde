pdesl 1
# A bump carried along the diagonal (the code of M. Finzi et al., ICLR 2023): advection in two
# dimensions, the walls far from the bump
parameters:
    s = 0.2                               # width of the bump
    A = 1/(60 π s²)
    T = 0.1

domain:
    x ∈ [-1, 1]^2
    t ∈ [0, T]

fields:
    u(t, x) : scalar

equations:
    ∂t u = sum(∇u)

boundary:
    u = exact(u)    on ∂Ω

initial:
    u = exact(u)

solver:
    method = neural_ivp(width=16, frequencies=2, samples=600, integrator=rk23(rtol=1e-3))

verify:
    u = A exp(-(dot(x, x) + 2 t sum(x) + 2 t²)/(2 s²))
    relative_l2(u) ≤ 2e-3

output:
    at end: u -> "advection.h5"

profile "paper":
    parameters.s = 0.05
    parameters.T = 0.25
    solver.width = 32
    solver.frequencies = 3
    solver.samples = 2000

profile "adaptive":
    parameters.s = 0.05
    parameters.T = 0.25
    solver.width = 32
    solver.frequencies = 3
    solver.samples = 2000
    solver.sampling = adaptive(share=0.5)
    solver.fit = levenberg_marquardt(iterations=70)
    solver.linear = auto(regularisation=1e-10)
    solver.integrator = rk45(rtol=1e-5)
