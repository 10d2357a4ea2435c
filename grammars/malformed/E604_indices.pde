# expect E604 at 10:14
# stage: check
domain:
    x, y ∈ [0, 1]

fields:
    u(x, y) : scalar

equations:
    ∂_i ∂_i (q_{j} u) = 0

boundary:
    u = 0    on ∂Ω
