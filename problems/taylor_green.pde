pdesl 1
# Decaying vortices of G. I. Taylor and A. E. Green, carried along by a wind: an exact solution of
# the Navier-Stokes equations. The pressure has no time derivative: it is found at every moment
# from ∇·v = 0, but for a constant, which the condition on its integral fixes.
parameters:
    ν = 0.05
    w = 0.5

domain:
    x, y ∈ periodic(0, 2 π)
    t ∈ [0, 2]

fields:
    v(t, x, y) : vector
    p(t, x, y) : scalar

let:
    energy = ∫(v · v)/2

equations:
    ∂t v + (v·∇)v + ∇p = ν ∇²v
    ∇·v = 0

boundary:
    ∫(p) = 0

initial:
    v = exact(v)

verify:
    v = [w + cos(x - w t) sin(y) exp(-2 ν t), -sin(x - w t) cos(y) exp(-2 ν t)]
    p = -(cos(2 (x - w t)) + cos(2 y)) exp(-4 ν t)/4
    relative_l2(v) ≤ 1e-6
    relative_l2(p) ≤ 1e-5

solver:
    method = method_of_lines(space=fourier(16), time=imex_rk4(rtol=1e-8))

output:
    at end: v, p -> "vortices.h5"
    every 0.1: energy -> "energy.csv"
