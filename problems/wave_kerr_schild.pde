pdesl 1
# Scalar pulse beside a rotating black hole, Kerr-Schild coordinates: regular at the horizon, and
# time is mixed with space, g^{0i} ≠ 0 (M. Visser, arXiv:0706.0622, equations 32 to 35)
parameters:
    M = 1
    a = 0.6

domain:
    x ∈ [2.5, 8.5]
    y, z ∈ [-3, 3]
    t ∈ [0, 4]

metric:
    g = kerr(mass=M, spin=a, chart="kerr_schild")

fields:
    φ(t, x, y, z) : scalar

equations:
    □φ = 0

boundary:
    φ = 0    on ∂Ω

initial:
    φ = exp(-4 ((x - 5.5)² + y² + z²))
    ∂t φ = 0

output:
    at end: φ -> "kerr.h5"
