# expect E312 at 10:14
# stage: check
domain:
    x, y ∈ [0, 1]

fields:
    u(x, y) : scalar

equations:
    ∇²u = x/(2 - 2)

boundary:
    u = 0    on ∂Ω
