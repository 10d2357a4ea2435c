pdesl 1
# Two wave packets of different sizes and directions, a test of what networks can represent (M. Finzi
# et al., ICLR 2023, section 4.1); the packets stand still, so that the fit is all there is to do
parameters:
    f = 2           # spatial frequency, 2 to 8 in the paper
    s1 = 0.3        # sizes of the packets
    s2 = 0.2

domain:
    x, y, z ∈ [-1, 1]
    t ∈ [0, 1]

fields:
    u(t, x, y, z) : scalar

let:
    v2 = x² + (y - 1/2)² + (z - 1/2)²
    w2 = (x + 1/6)² + (y + 1/6)² + (z + 1/6)²
    packet1 = 30 exp(-v2/(2 s1²)) cos(2 π f (x + y)/sqrt(2))/(2 π s1²)
    packet2 = 24 exp(-w2/(2 s2²)) cos(2 π f (y + x/3)/2)/(2 π s2²)

equations:
    ∂t u = 0

initial:
    u = packet1 + packet2

solver:
    method = neural_ivp(width=16, samples=1000, fit_budget=1, integrator=rk23(dt=1))

verify:
    u = packet1 + packet2
    relative_l2(u) ≤ 0.4

output:
    at end: u -> "packets.h5"

profile "paper":
    solver.width = 100
    solver.frequencies = 5
    solver.samples = 20000
