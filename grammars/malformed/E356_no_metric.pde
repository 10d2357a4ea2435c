# expect E356 at 11:5
# stage: check
domain:
    t ∈ [0, 1]
    x, y ∈ [0, 1]

fields:
    u(t, x, y) : scalar

equations:
    g^{μν} ∂_μ ∂_ν u = 0

boundary:
    u = 0    on ∂Ω

initial:
    u = 0
    ∂t u = 0
