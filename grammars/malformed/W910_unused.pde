# expect W910 at 7:5
# stage: check
domain:
    x, y ∈ [0, 1]

parameters:
    κ = 2

fields:
    u(x, y) : scalar

equations:
    ∇²u = x

boundary:
    u = 0    on ∂Ω
