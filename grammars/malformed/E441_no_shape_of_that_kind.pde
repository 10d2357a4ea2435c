# expect E441 at 4:12
# stage: check
domain:
    x, y ∈ polygon(vertices=[(0, 0), (1, 1)])

fields:
    u(x, y) : scalar

equations:
    ∇²u = x

boundary:
    u = 0    on ∂Ω
