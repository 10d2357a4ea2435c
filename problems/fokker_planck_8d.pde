pdesl 1
# The Fokker-Planck equation of eight particles in a harmonic trap, drawn to their mean (J. Bruna
# et al., 2022; M. Finzi et al., ICLR 2023, appendix B.3). The drift meets a slope at the walls, where
# u = 0 keeps ∂t u at zero: the residual near them is large whatever the network, and eight dimensions
# are mostly near a wall
parameters:
    D = 0.01
    a = 0.2
    α = 1/4
    T = 0.1

domain:
    x ∈ [-1, 1]^8
    t ∈ [0, T]

fields:
    u(t, x) : scalar

let:
    h = (a + α mean(x)) (1, 1, 1, 1, 1, 1, 1, 1) - (1 + α) x

equations:
    ∂t u = D ∇²u - ∇·(u h)

boundary:
    u = 0    on ∂Ω

initial:
    u = (3/4)^8 (1 - x[1]²) (1 - x[2]²) (1 - x[3]²) (1 - x[4]²) (1 - x[5]²) (1 - x[6]²) (1 - x[7]²) (1 - x[8]²)

solver:
    method = neural_ivp(width=16, frequencies=0, samples=800, integrator=rk23(rtol=1e-3))

output:
    at end: u -> "density.h5"

profile "paper":
    parameters.T = 1
    solver.width = 100
    solver.frequencies = 5
    solver.samples = 10000
    solver.integrator = rk45(rtol=1e-4)
