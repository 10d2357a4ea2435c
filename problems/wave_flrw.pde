pdesl 1
# Scalar wave in a radiation-dominated universe in conformal time: the scale factor grows as t, and
# the amplitude of a plane wave falls as 1/t
parameters:
    k = 2

domain:
    x, y, z ∈ [0, 1]
    t ∈ [1, 2]

metric:
    g = flrw(scale=t, time="conformal")

fields:
    φ(t, x, y, z) : scalar

equations:
    □φ = 0

boundary:
    φ = exact(φ)    on ∂Ω

initial:
    φ = exact(φ)
    ∂t φ = exact(∂t φ)

solver:
    method = method_of_lines(space=finite_difference(10))

verify:
    φ = sin(k (2 x + y + 2 z)/3 - k t)/t
    relative_l2(φ) ≤ 1e-5

output:
    at end: φ -> "flrw.h5"
