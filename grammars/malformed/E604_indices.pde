# expect E604 at 10:5
# stage: check
domain:
    x, y ∈ [0, 1]

fields:
    u(x, y) : scalar

equations:
    ∂_i u = x

boundary:
    u = 0    on ∂Ω
