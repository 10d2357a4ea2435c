# expect E416 at 4:12
# stage: check
domain:
    x, y ∈ [1, 0]

fields:
    u(x, y) : scalar

equations:
    ∇²u = x

boundary:
    u = 0    on ∂Ω
