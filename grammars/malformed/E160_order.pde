# expect E160 at 16:5
# expect E160 at 17:11
# expect E160 at 18:5
# stage: parse
domain:
    x, y ∈ [0, 1]
    t ∈ [0, 1]

parameters:
    κ = 2

fields:
    u(t, x, y) : scalar

equations:
    dx(u, 2, 3) = 0
    dx(u, κ) = 0
    ∂x¹⁰⁰u = 0
