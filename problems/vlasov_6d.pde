pdesl 1
# The Vlasov equation of charged particles in a given electric field, positions and velocities in
# three dimensions each (M. Finzi et al., ICLR 2023, appendix B.2). At the walls the initial values are
# 4e-3 of the largest one: a penalty keeps them there, where a factor would cut them off
parameters:
    σ = 0.3
    T = 0.1

domain:
    x ∈ [-1, 1]^3
    v ∈ [-1, 1]^3
    t ∈ [0, T]

fields:
    u(t, x, v) : scalar

let:
    E = -2 exp(-dot(x, x)) x

equations:
    ∂t u + dot(v, ∇_x u) + dot(E, ∇_v u) = 0

boundary:
    u = 0    on ∂Ω

initial:
    u = exp(-(dot(x, x) + dot(v, v))/(2 σ²)) / (2 π σ²)^3

solver:
    method = neural_ivp(ansatz="exponential", start="exact", boundary="penalty", penalty=1e-4, relaxation=0,
        width=24, depth=2, frequencies=1, scale=1, samples=2000, boundary_samples=60,
        sampling=annealed(share=0.9), integrator=rk23(rtol=1e-3))

output:
    at end: u -> "vlasov.h5"

profile "paper":
    parameters.T = 1
    solver.width = 100
    solver.depth = 3
    solver.frequencies = 5
    solver.samples = 10000
    solver.integrator = rk45(rtol=1e-4)
