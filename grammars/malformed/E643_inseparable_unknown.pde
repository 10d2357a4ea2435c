# expect E643 at 14:5
# stage: check
domain:
    x ∈ [0, 1]
    t ∈ [0, 1]

fields:
    u(t, x) : scalar

parameters:
    k = unknown(start=1)

equations:
    ∂t u = exp(k x) ∂x²u

boundary:
    u = 0    on ∂Ω

initial:
    u = sin(π x)

data:
    obs = load("data/inside.csv")

fit:
    obs.u ≈ u
