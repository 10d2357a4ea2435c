# expect E414 at 4:17
# stage: check
domain:
    x, y ∈ disk(radus=1)

fields:
    u(x, y) : scalar

equations:
    ∇²u = x

boundary:
    u = 0    on ∂Ω
