# expect E418 at 10:19
# stage: check
domain:
    x, y ∈ [0, 1]

fields:
    u(x, y) : scalar

equations:
    ∇²u = x    on left

boundary:
    u = 0    on ∂Ω
