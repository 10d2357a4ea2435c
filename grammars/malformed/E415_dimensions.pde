# expect E415 at 4:15
# stage: check
domain:
    x, y, z ∈ disk(radius=1)

fields:
    u(x, y, z) : scalar

equations:
    ∇²u = x

boundary:
    u = 0    on ∂Ω
