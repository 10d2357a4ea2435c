pdesl 1
# The Fokker-Planck equation of d particles in a harmonic trap, drawn to their mean (J. Bruna
# et al., 2022; M. Finzi et al., ICLR 2023, appendix B.3). The drift comes in through the walls, where
# u = 0, and meets a slope of the initial values there: ∂t u jumps at the walls at the start. Features of
# the distances to the walls (`layers`) take the residual there from 0.29 to 0.1
parameters:
    d = 8
    D = 0.01
    a = 0.2
    α = 1/4
    T = 0.1

domain:
    x ∈ [-1, 1]^d
    t ∈ [0, T]

fields:
    u(t, x) : scalar

let:
    w(s) = (3/4) (1 - s²)
    V = a sum(x) + α sum(x)²/(2 d) - (1 + α) dot(x, x)/2     # ∇V = a + α mean(x) - (1 + α) x

equations:
    ∂t u = D ∇²u - ∇·(u ∇V)

boundary:
    u = 0    on ∂Ω

initial:
    u = prod(w(x))

solver:
    method = neural_ivp(ansatz="exponential", start="exact", width=6, depth=1, frequencies=2, layers=6,
        scale=0.1, samples=2500, sampling=annealed(share=0.8), linear=auto(regularisation=1e-9),
        integrator=rk23(rtol=1e-3))

output:
    at end: u, ∫(u) -> "density.h5"

profile "5d":
    parameters.d = 5
    parameters.T = 1

profile "10d":
    parameters.d = 10
    parameters.T = 1

profile "20d":
    parameters.d = 20
    parameters.T = 1
    solver.width = 4
    solver.layers = 4
    solver.samples = 3000

profile "paper":
    parameters.T = 1
    solver.width = 100
    solver.depth = 3
    solver.frequencies = 5
    solver.samples = 10000
    solver.integrator = rk45(rtol=1e-4)
