# expect E644 at 17:5
# stage: check
domain:
    x ∈ [0, 1]
    t ∈ [0, 1]

fields:
    u(t, x) : scalar

parameters:
    k = unknown(start=1)

equations:
    ∂t u = k ∂x²u

boundary:
    ∂n u + k u = 0    on ∂Ω

initial:
    u = x² (1 - x)²

data:
    obs = load("data/inside.csv")

fit:
    obs.u ≈ u
