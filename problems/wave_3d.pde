pdesl 1
# A wave from a bump at rest in three dimensions (M. Finzi et al., ICLR 2023, appendix B.1, with a
# solution that is regular at the origin: it is even in r)
parameters:
    s = 0.3         # width of the bump
    T = 0.1

domain:
    x, y, z ∈ [-1, 1]
    t ∈ [0, T]

fields:
    u(t, x, y, z) : scalar

let:
    r = sqrt(x² + y² + z² + 1e-20)      # never zero, so that sinh(r t)/r has a value everywhere

equations:
    ∂t²u = ∇²u

boundary:
    u = exact(u)    on ∂Ω

initial:
    u = exact(u)
    ∂t u = 0

solver:
    method = neural_ivp(width=16, frequencies=2, samples=800, integrator=rk23(rtol=1e-3))

verify:
    u = exp(-(r² + t²)/(2 s²)) (cosh(r t/s²) - t sinh(r t/s²)/r)
    relative_l2(u) ≤ 2e-2

output:
    at end: u -> "wave.h5"

profile "code":
    parameters.s = 0.2
    parameters.T = 0.2
    solver.width = 24
    solver.frequencies = 3
    solver.samples = 3000

profile "quick":
    parameters.s = 0.1
    parameters.T = 0.5
    solver.width = 36
    solver.frequencies = 3
    solver.samples = 8000
    solver.sampling = adaptive(share=0.5)
    solver.fit = levenberg_marquardt(iterations=30, samples=8000)
    solver.linear = auto(regularisation=1e-9)
    solver.integrator = rk23(rtol=3e-3)

profile "paper":
    parameters.s = 0.05
    parameters.T = 0.5
    solver.width = 100
    solver.frequencies = 5
    solver.samples = 20000
    solver.sampling = adaptive(share=0.5)
    solver.integrator = rk45(rtol=1e-4)
