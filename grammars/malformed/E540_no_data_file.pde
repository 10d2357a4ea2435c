# expect E540 at 19:5
# stage: check
domain:
    t ∈ [0, 1]

fields:
    u(t) : scalar

parameters:
    k = unknown(start=1)

equations:
    ∂t u = -k u

initial:
    u = 1

data:
    obs = load("data/decays.csv")

fit:
    obs.u ≈ u
