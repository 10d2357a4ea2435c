pdesl 1
# Rayleigh–Bénard convection between plates
parameters:
    Pr = 0.7
    Ra = 1e4

domain:
    x ∈ periodic(0, 4)
    z ∈ [0, 1]
    t ∈ [0, 2]

fields:
    v(t, x, z) : vector
    p(t, x, z), Θ(t, x, z) : scalar

equations:
    ∂t v + (v·∇)v = -∇p + Pr ∇²v + Pr Ra Θ (0, 1)
    ∂t Θ + v·∇Θ = ∇²Θ
    ∇·v = 0

boundary:
    v = (0, 0)    on z = 0, z = 1
    Θ = 1         on z = 0
    Θ = 0         on z = 1

initial:
    v = (0, 0)
    Θ = 1 - z + sin(π x/2) sin(π z)/100
