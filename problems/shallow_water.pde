pdesl 1
# Shallow water over a flat bottom, a first-order system: a mound of water spreads in a periodic basin,
# before its waves break (B. Cushman-Roisin and J.-M. Beckers, Introduction to Geophysical Fluid Dynamics, 2011)
parameters:
    g = 1
    f = 0.5       # rotation
    A = 0.2       # height of the mound over a depth of one
    T = 0.3

domain:
    x, y ∈ periodic(-1, 1)
    t ∈ [0, T]

fields:
    h(t, x, y) : scalar
    u(t, x, y) : scalar
    v(t, x, y) : scalar

equations:
    ∂t h + ∂x(h u) + ∂y(h v) = 0
    ∂t u + u ∂x u + v ∂y u - f v + g ∂x h = 0
    ∂t v + u ∂x v + v ∂y v + f u + g ∂y h = 0

initial:
    h = 1 + A exp(cos(π x) + cos(π y) - 2)
    u = 0
    v = 0

solver:
    method = neural_ivp(width=16, depth=2, frequencies=2, samples=300, integrator=rk23(rtol=3e-4))

verify:
    reference = method_of_lines(space=fourier(32), time=imex_rk4(dt=0.01))
    relative_l2(h) ≤ 5e-4
    relative_l2(u) ≤ 1e-2
    relative_l2(v) ≤ 1e-2

output:
    at end: h, u, v, ∫(h), ∫(h (u² + v²)/2 + g h²/2) -> "water.h5"

profile "large":
    parameters.A = 0.5
    parameters.T = 1
    solver.width = 64
    solver.depth = 3
    solver.frequencies = 4
    solver.samples = 10000
    solver.integrator = rk45(rtol=1e-5)
