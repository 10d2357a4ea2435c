# expect E353 at 14:5
# stage: check
domain:
    t ∈ [0, 1]
    x, y ∈ [1, 2]

metric:
    ds² = -dt² + dx² + x² dy²

fields:
    u(t, x, y) : scalar

equations:
    ∇_μ ∇_μ u = 0

boundary:
    u = 0    on ∂Ω

initial:
    u = 0
    ∂t u = 0
