# expect E208 at 10:12
# stage: check
domain:
    x, y ∈ [0, 1]

fields:
    u(x, y) : scalar

equations:
    ∂x²u + ∂z²u = 0

boundary:
    u = 0    on ∂Ω
