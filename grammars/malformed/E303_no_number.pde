# expect E303 at 5:13
# stage: check
domain:
    x, y ∈ [0, 1]
    z ∈ [0, x]

fields:
    u(x, y, z) : scalar

equations:
    ∇²u = x

boundary:
    u = 0    on ∂Ω
