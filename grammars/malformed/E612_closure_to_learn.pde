# expect E612 at 7:5
# stage: check
domain:
    x, y ∈ [0, 1]

closure:
    c = mlp(u)

fields:
    u(x, y) : scalar

equations:
    ∇²u = c

boundary:
    u = 0    on ∂Ω
