# expect E620 at 23:5
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
    u = sin(π x)

solver:
    method = pinn

output:
    every 10 steps: u -> "u.h5"
