pdesl 1
# A front of the Allen-Cahn equation with a bias between its two phases, which moves through a box
# along its normal (a front of J. Nagumo, S. Arimoto and S. Yoshizawa, Proc. IRE 50, 1962)
parameters:
    ε = 0.2       # width of the front
    a = 0.25      # the unstable state between the phases 0 and 1; a = 1/2 is at rest
    T = 1

domain:
    x, y, z ∈ [-1, 1]
    t ∈ [0, T]

fields:
    u(t, x, y, z) : scalar

let:
    s = (2 x + y + 2 z) / 3

equations:
    ∂t u = ε² ∇²u + u (1 - u) (u - a)

boundary:
    u = exact(u)    on ∂Ω

initial:
    u = exact(u)

solver:
    method = neural_ivp(width=16, depth=2, frequencies=1, samples=400,
        integrator=rk23(rtol=1e-3))

verify:
    u = (1 + tanh((s/ε + (1 - 2 a) t/sqrt(2)) / (2 sqrt(2)))) / 2
    relative_l2(u) ≤ 2e-3

output:
    at end: u, ∫(u) -> "front.h5"

profile "large":
    parameters.ε = 0.03
    solver.width = 64
    solver.depth = 3
    solver.frequencies = 4
    solver.samples = 10000
    solver.integrator = rk45(rtol=1e-5)
