pdesl 1
# Scalar wave on a Schwarzschild black hole, Cartesian-like chart (M. Finzi et al., 2023, section 5)
parameters:
    M = 0.5
    c = (-2, 0, 0)

domain:
    x, y, z ∈ [-1, 1]
    t ∈ [0, 0.5]

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
    method = neural_ivp(width=24, samples=3000, integrator=rk23(rtol=1e-3))

output:
    at end: φ -> "wave_maps.h5"

profile "paper":
    solver.width = 100
    solver.frequencies = 5
    solver.samples = 50000
    solver.integrator = rk23(rtol=1e-4)
    solver.restarts = refit(count=10)
