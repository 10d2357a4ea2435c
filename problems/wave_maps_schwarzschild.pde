pdesl 1
# Scalar wave on a Schwarzschild black hole, Cartesian-like chart (M. Finzi et al., 2023, section 5),
# against finite differences
parameters:
    M = 0.5
    c = (-2, 0, 0)
    T = 0.1
    N = 33              # points along every direction of the reference

domain:
    x, y, z ∈ [-1, 1]
    t ∈ [0, T]

metric:
    g = schwarzschild(mass=M, center=c, chart="cartesian")

fields:
    φ(t, x, y, z) : scalar

equations:
    □φ = 0

boundary:
    φ = 0    on ∂Ω

initial:
    φ = exp(-50 ((x - 0.2)² + y² + z²))
    ∂t φ = 0

solver:
    # the bump fills 0.2 % of the box
    method = neural_ivp(width=16, samples=800, sampling=adaptive(share=0.6), integrator=rk23(rtol=3e-3),
        fit=levenberg_marquardt(iterations=12))

verify:
    reference = method_of_lines(space=finite_difference(N, order=6), time=rk45(rtol=1e-5))
    relative_l2(φ) ≤ 3e-2

output:
    at end: φ -> "wave_maps.h5"

profile "quick":
    parameters.T = 0.36
    parameters.N = 49
    solver.width = 24
    solver.samples = 2000
    solver.fit = levenberg_marquardt(iterations=25)

profile "paper":
    parameters.T = 0.5
    parameters.N = 65
    solver.width = 100
    solver.frequencies = 5
    solver.samples = 50000
    solver.integrator = rk23(rtol=1e-4)
    solver.restarts = refit(count=10)
    solver.sampling = uniform
    solver.fit = levenberg_marquardt
