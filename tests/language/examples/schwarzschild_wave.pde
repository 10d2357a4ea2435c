pdesl 1
# Scalar wave on a Schwarzschild black hole, Cartesian-like chart (Neural-IVP, section 5)
parameters:
    M = 0.5
    c = (-2, 0, 0)

domain:
    x, y, z ∈ [-1, 1]
    t ∈ [0, 0.5]

metric:
    g = schwarzschild(mass=M, center=c, chart="cartesian")     # or spelled out: ds² = -(1 - 2M/r) dt² + …

fields:
    φ(t, x, y, z) : scalar

equations:
    □φ = 0                                  # Christoffel symbols and √|g| are the compiler's work

boundary:
    φ = 0    on ∂Ω

initial:
    φ = exp(-50 ((x - 0.2)² + y² + z²))
    ∂t φ = 0

solver:
    method = neural_ivp(samples=50000, integrator=rk23(rtol=1e-4))
