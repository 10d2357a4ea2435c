# expect E442 at 4:12
# stage: check
domain:
    x, y ∈ disk(radius=R)

parameters:
    R = -1

fields:
    u(x, y) : scalar

equations:
    ∇²u = x

boundary:
    u = 0    on ∂Ω
