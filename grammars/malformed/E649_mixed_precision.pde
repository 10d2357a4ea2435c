# expect E649 at 20:49
# stage: check
domain:
    x ∈ [0, 1]
    t ∈ [0, 1]

fields:
    u(t, x) : scalar

equations:
    ∂t u = ∂x²u

boundary:
    u = 0    on ∂Ω

initial:
    u = sin(2 π x)

solver:
    method = neural_ivp(precision=mixed, linear=gram(regularisation=1e-9))
