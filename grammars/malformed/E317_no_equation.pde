# expect E317 at 3:1
# stage: check
domain:
    x, y ∈ [0, 1]

fields:
    u(x, y) : scalar

boundary:
    u = 0    on ∂Ω
