pdesl 1
# The Kuramoto-Sivashinsky equation with a learned advection term (H. Zhang, Y. Liu and R. Maulik,
# "Semi-implicit neural ordinary differential equations", 2024, section 5.2): a local network that
# is the same at every point; the profiles `paper` and `paper_512` have the network and the training
# of the paper. The data, every 0.2 on 64 points, are of a fine run on the chaotic attractor, whose
# waves they hold all: more points are interpolated by them
domain:
    x ∈ periodic(0, 22)
    t ∈ [0, 200]

fields:
    u(t, x) : scalar

closure:
    N = convolution(u, hidden=(16, 16), width=5, activation="gelu")

equations:
    ∂t u = stiff(-∂x²u - ∂x⁴u) + nonstiff(N)

data:
    runs = load("ks_sinode.h5")

fit:
    runs.u ≈ u
    window = 1
    validation = 0.1
    optimizer = adam(rate=1e-2, epochs=120, batch=64, schedule="cosine")

solver:
    method = sinode(space=fourier(64), time=etd1(dt=0.2), gradient="discrete_adjoint")

profile "paper":
    closure.N = mlp(
        u,
        scope="grid",
        hidden=(200, 200, 200, 200),
        activation="relu",
        deviation=0.01,
        normalise=false,
    )
    fit.optimizer = adamw(
        rate=5e-3,
        decay=0.01,
        epochs=200,
        batch=256,
        schedule="plateau",
        wait=50,
        factor=0.75,
    )
    solver.space = finite_difference(64, order=2)
    solver.time = imex_rk2(dt=0.2)

profile "paper_512":
    closure.N = mlp(
        u,
        scope="grid",
        hidden=(1600, 1600, 1600, 1600),
        activation="relu",
        deviation=0.01,
        normalise=false,
    )
    fit.optimizer = adamw(
        rate=5e-3,
        decay=0.01,
        epochs=200,
        batch=256,
        schedule="plateau",
        wait=50,
        factor=0.75,
    )
    solver.space = finite_difference(512, order=2)
    solver.time = imex_rk2(dt=0.2)
    solver.precision = float32
