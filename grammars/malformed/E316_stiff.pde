# expect E316 at 11:12
# stage: check
domain:
    x ∈ [0, 1]
    t ∈ [0, 1]

fields:
    u(t, x) : scalar

equations:
    ∂t u = stiff(∂x²u - u³)

boundary:
    u = 0    on ∂Ω

initial:
    u = sin(π x)
