# expect E424 at 13:5
# stage: check
domain:
    x, y ∈ periodic(0, 1)

fields:
    u(x, y) : scalar

equations:
    ∇²u = x

boundary:
    u = 0    on ∂Ω
