pdesl 1
# Fokker–Planck equation in eight dimensions with attraction towards the mean
parameters:
    D = 0.5
    a = 1

domain:
    x ∈ [-1, 1]^8
    t ∈ [0, 1]

let:
    drift = -a x
    crowd = mean(x)

fields:
    p(t, x) : scalar

equations:
    ∂t p = -∇·(drift p) + D ∇²p - (sum(x) - 8 crowd + crowd) p

boundary:
    p = 0 on ∂Ω

initial:
    p = exp(-4 x·x)
