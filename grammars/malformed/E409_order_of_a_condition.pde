# expect E409 at 13:5
# stage: check
domain:
    x, y ∈ [0, 1]

fields:
    u(x, y) : scalar

equations:
    ∇²u = x

boundary:
    ∂x²u = 0    on ∂Ω
