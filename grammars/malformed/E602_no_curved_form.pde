# expect E602 at 14:5
# stage: check
domain:
    t ∈ [0, 1]
    x, y ∈ [1, 2]

metric:
    ds² = -dt² + dx² + x² dy²

fields:
    v(t, x, y) : vector

equations:
    □v = 0

boundary:
    v = 0    on ∂Ω

initial:
    v = 0
    ∂t v = 0
