# expect E606 at 10:11
# stage: check
domain:
    x, y ∈ [0, 1]

fields:
    u(x, y) : scalar

equations:
    ∇²u = ∂x²(abs(x - u))

boundary:
    u = 0    on ∂Ω
