# expect E429 at 4:12
# stage: check
domain:
    x, y ∈ 2

fields:
    u(x, y) : scalar

equations:
    ∇²u = x

boundary:
    u = 0    on ∂Ω
