# expect E637 at 16:5
# stage: check
domain:
    x ∈ [0, 1]
    t ∈ [0, 1]

fields:
    u(t, x) : scalar
    v(t, x) : scalar

equations:
    ∂t u = ∂x²u
    ∂t v = ∂x²v

boundary:
    ∂n u + v = 0    on ∂Ω
    v = 0           on ∂Ω

initial:
    u = 0
    v = 0

solver:
    method = neural_ivp(width=20)
