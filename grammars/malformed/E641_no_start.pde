# expect E641 at 7:5
# stage: check
domain:
    t ∈ [0, 1]

fields:
    u(t) : scalar

parameters:
    k = unknown(start=1)

equations:
    ∂t u = -k u

data:
    obs = load("data/decay.csv")

fit:
    obs.u ≈ u²
