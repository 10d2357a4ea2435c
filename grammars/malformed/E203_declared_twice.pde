# expect E203 at 4:5
# stage: check
domain:
    x, y ∈ [0, 1]

parameters:
    x = 2

fields:
    u(x, y) : scalar

equations:
    ∇²u = x

boundary:
    u = 0    on ∂Ω
