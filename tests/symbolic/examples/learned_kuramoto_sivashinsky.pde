pdesl 1
domain:
    x ∈ periodic(0, 22)
    t ∈ [0, 250]

fields:
    u(t, x) : scalar

closure:
    N = mlp(u, scope="grid", hidden=(256, 256), activation="tanh")

equations:
    ∂t u = stiff(-∂x²u - ∂x⁴u) + nonstiff(N)

data:
    runs = load("ks64.h5")

fit:
    runs.u ≈ u
    optimizer = adam(rate=1e-3, epochs=200, batch=100)

solver:
    method = sinode(space=finite_difference(64), time=imex_rk3(dt=0.2), gradient="discrete_adjoint")
