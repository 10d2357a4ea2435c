# expect E311 at 10:5
# stage: check
domain:
    x, y ∈ [0, 1]

fields:
    u(x, y) : scalar

equations:
    □u = 0

boundary:
    u = 0    on ∂Ω
