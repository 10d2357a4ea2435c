# expect E308 at 13:9
# stage: check
domain:
    x, y ∈ [0, 1]

fields:
    u(x, y) : scalar

equations:
    ∇²u = x

boundary:
    u = exact(u)    on ∂Ω
