# expect E645 at 13:5
# stage: check
domain:
    t ∈ [0, 1]

fields:
    u(t) : scalar

parameters:
    k = unknown(start=1)

closure:
    N = convolution(u)

equations:
    ∂t u = -k u + N

initial:
    u = 1

data:
    obs = load("data/decay.csv")

fit:
    obs.u ≈ u
