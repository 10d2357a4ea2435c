pdesl 1
# Heat conduction on a zone of the unit sphere: a spherical harmonic of degree 2 decays as exp(-6 t)
domain:
    θ ∈ [π/6, 5 π/6]
    φ ∈ periodic(0, 2 π)
    t ∈ [0, 0.2]

metric:
    g = sphere(radius=1)

fields:
    u(t, θ, φ) : scalar

equations:
    ∂t u = ∇²u

boundary:
    u = exact(u)    on ∂Ω

initial:
    u = exact(u)

solver:
    method = method_of_lines(space=finite_difference(24))

verify:
    u = exp(-6 t) sin²(θ) cos(2 φ)
    relative_l2(u) ≤ 2e-3

output:
    at end: u -> "sphere.h5"
