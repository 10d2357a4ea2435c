pdesl 1
# How fast a pulse is carried and how it spreads: the speed and the diffusion of an
# advection-diffusion equation, recovered from noisy measurements at 15 places, with their standard
# errors.
# The data are generated with c = 0.6, κ = 0.015 and noise of 0.02
domain:
    x ∈ [0, 2]
    t ∈ [0, 2]

parameters:
    c = unknown(start=0.3, bounds=(0, 3))
    κ = unknown(start=0.05, bounds=(0, 1))

fields:
    u(t, x) : scalar

equations:
    ∂t u = stiff(κ ∂x²u) - c ∂x u

boundary:
    u = 0       on x = 0
    ∂x u = 0    on x = 2

initial:
    u = exp(-60 (x - 0.4)²)

data:
    sensors = load("advection_diffusion_inverse.csv")

fit:
    sensors.u ≈ u ± 0.02

solver:
    method = sinode(space=finite_difference(121), time=imex_rk3(dt=0.0125))
