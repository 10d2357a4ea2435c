# expect E402 at 7:13
# stage: check
domain:
    x, y ∈ [0, 1]

fields:
    u(x, y, z) : scalar

equations:
    ∇²u = x

boundary:
    u = 0    on ∂Ω
