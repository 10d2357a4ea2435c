pdesl 1
# Scalar wave on a Schwarzschild black hole, Cartesian-like chart (M. Finzi et al., 2023, section 5)
parameters:
    M = 0.5
    c = (-2, 0, 0)
    T = 0.36

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
    method = neural_ivp(width=16, samples=1500, sampling=adaptive(share=0.6), integrator=rk23(rtol=3e-3))   # the bump fills 0.2 % of the box

output:
    at end: φ -> "wave_maps.h5"

profile "paper":
    parameters.T = 0.5
    solver.width = 100
    solver.frequencies = 5
    solver.samples = 50000
    solver.integrator = rk23(rtol=1e-4)
    solver.restarts = refit(count=10)
    solver.sampling = uniform
