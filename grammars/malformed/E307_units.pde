# expect E307 at 14:5
# stage: check
domain:
    x, y ∈ [0, L]

parameters:
    L = 2 [m]
    κ = 3 [m²/s]

fields:
    u(x, y) : scalar

equations:
    κ ∇²u = L

boundary:
    u = 0    on ∂Ω
