pdesl 1
# Ringdown of a Schwarzschild black hole: a scalar wave of degree ℓ in the tortoise coordinate x.
# The ansatz leaves the Regge–Wheeler equation ∂t²u = ∂x²u - (1 - 2M/r) (ℓ(ℓ + 1)/r² + 2M/r³) u.
# Reference: at a fixed x the fundamental mode rings with M ω = 0.4836 - 0.0968 i for ℓ = 2
# (E. Berti, V. Cardoso, A. Starinets, Classical and Quantum Gravity 26, 163001, 2009)
parameters:
    M = 1
    l = 2

domain:
    x ∈ [-100, 200]
    t ∈ [0, 150]

let:
    r(x) = 2 M (1 + lambertw(exp(x/(2 M) - 1)))

metric:
    ds² = (1 - 2 M/r) (-dt² + dx²) + r² (dθ² + sin²(θ) dφ²)

fields:
    ψ(t, x, θ, φ) : scalar
    u(t, x) : scalar

equations:
    □ψ = 0

reduce:
    ψ = u Y(l, 0, θ, φ)/r

boundary:
    ∂t u = ∂x u     on x = -100
    ∂t u = -∂x u    on x = 200

initial:
    u = exp(-(x - 10)²/8)
    ∂t u = 0

solver:
    method = method_of_lines(space=finite_difference(1200))

output:
    at end: u -> "ringdown.h5"
