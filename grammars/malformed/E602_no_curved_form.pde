# expect E602 at 13:5
# stage: check
domain:
    x, y ∈ [1, 2]

metric:
    ds² = dx² + x² dy²

fields:
    v(x, y) : vector

equations:
    ∇²v = 0

boundary:
    v = 0    on ∂Ω
