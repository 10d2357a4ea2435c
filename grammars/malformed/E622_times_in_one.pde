# expect E622 at 20:5
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

output:
    every 0.1: u -> "u.vtu"
