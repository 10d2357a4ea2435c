# expect E613 at 19:5
# stage: check
domain:
    x, y ∈ [0, 1]

fields:
    u(x, y) : scalar

equations:
    ∇²u = x

boundary:
    u = 0    on ∂Ω

data:
    obs = load("run.h5")

fit:
    obs.u ≈ u

solver:
    method = rbf_fd
