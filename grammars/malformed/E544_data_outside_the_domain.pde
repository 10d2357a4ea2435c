# expect E544 at 23:5
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
    u = 0    on ∂Ω

initial:
    u = sin(π x)

data:
    obs = load("data/places.csv")

fit:
    obs.u ≈ u
