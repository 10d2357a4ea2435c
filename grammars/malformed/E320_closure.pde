# expect E320 at 7:9
# stage: check
domain:
    x, y ∈ [0, 1]

closure:
    c = 2 x

fields:
    u(x, y) : scalar

equations:
    ∇²u = c

boundary:
    u = 0    on ∂Ω
