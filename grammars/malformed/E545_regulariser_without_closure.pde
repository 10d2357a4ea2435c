# expect E545 at 23:18
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
    obs = load("data/decay.csv")

fit:
    obs.u ≈ u
    regularise = speed(order=3, weight=0.01)
