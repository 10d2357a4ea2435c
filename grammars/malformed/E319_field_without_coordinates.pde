# expect E319 at 7:5
# stage: check
domain:
    x, y ∈ [0, 1]

fields:
    u : scalar

equations:
    ∇²u = x

boundary:
    u = 0    on ∂Ω
