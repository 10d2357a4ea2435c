# expect E309 at 10:12
# stage: check
domain:
    x, y ∈ [0, 1]

fields:
    u(x, y) : scalar

equations:
    ∂x²u + ∂x⁹∂y⁹u = 0

boundary:
    u = 0    on ∂Ω
