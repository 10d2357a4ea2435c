pdesl 1
# Decaying turbulence of the viscous Burgers equation with a learned advection term (H. Zhang, Y.
# Liu and R. Maulik, "Semi-implicit neural ordinary differential equations", 2024, section 5.3): a
# convolution wide enough for how far waves travel in a step; the profiles `paper` and `paper_1024`
# have the network and the training of the paper. The data, every 0.1 on 512 points, are of a fine
# Fourier run
domain:
    x ∈ periodic(0, 1)
    t ∈ [0.5, 5]

parameters:
    ν = 8e-4

fields:
    u(t, x) : scalar

closure:
    N = convolution(u, hidden=(24,), width=65, activation="gelu")

equations:
    ∂t u = stiff(ν ∂x²u) + nonstiff(N)

data:
    runs = load("burgers_sinode.h5")

fit:
    runs.u ≈ u
    validation = 0.17
    optimizer = adam(rate=3e-3, epochs=60, batch=15, schedule="cosine")

solver:
    method = sinode(space=finite_difference(512, order=2), time=imex_rk3(dt=0.05))

profile "paper":
    closure.N = mlp(
        u,
        scope="grid",
        hidden=(576, 576, 576, 576),
        activation="relu",
        deviation=0.1,
        normalise=false,
    )
    fit.loss = absolute
    fit.optimizer = adamw(rate=1e-3, decay=0.01, epochs=20, batch=200)

profile "paper_1024":
    closure.N = mlp(
        u,
        scope="grid",
        hidden=(1152, 1152, 1152, 1152),
        activation="relu",
        deviation=0.1,
        normalise=false,
    )
    fit.loss = absolute
    fit.optimizer = adamw(rate=1e-3, decay=0.01, epochs=20, batch=200)
    solver.space = finite_difference(1024, order=2)
    solver.precision = float32
