# expect E626 at 11:5
# stage: check
domain:
    x ∈ periodic(0, 1)
    t ∈ [0, 1]

fields:
    u(t, x), p(t, x) : scalar

equations:
    ∂t u = ∂x p + p
    ∂x u = 0

initial:
    u = sin(2 π x)

solver:
    method = neural_ivp()
