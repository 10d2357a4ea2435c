# expect E443 at 4:12
# stage: check
domain:
    x, y ∈ intersection(disk(radius=1), disk(center=(3, 0), radius=1))

fields:
    u(x, y) : scalar

equations:
    ∇²u = x

boundary:
    u = 0    on ∂Ω
