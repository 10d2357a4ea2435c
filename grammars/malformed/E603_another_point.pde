# expect E603 at 10:11
# stage: check
domain:
    x, y ∈ [0, 1]

fields:
    u(x, y) : scalar

equations:
    ∇²u = u(0, y)

boundary:
    u = 0    on ∂Ω
