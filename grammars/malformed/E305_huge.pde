# expect E305 at 10:11
# stage: check
domain:
    x, y ∈ [0, 1]

fields:
    u(x, y) : scalar

equations:
    ∇²u = gamma(1000)

boundary:
    u = 0    on ∂Ω
