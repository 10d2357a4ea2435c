pdesl 1
parameters:
    γ = 1/100
    M = 2

domain:
    x, y ∈ periodic(0, 1)
    t ∈ [0, 1]

fields:
    c(t, x, y) : scalar

equations:
    ∂t c = M ∇²(c³ - c) - M γ ∇⁴c

initial:
    c = cos(2 π x) / 5
