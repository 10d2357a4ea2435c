# expect E322 at 7:11
# stage: check
domain:
    x, y ∈ [0, 1]

metric:
    ds² = dx² + y dy

fields:
    u(x, y) : scalar

equations:
    ∇²u = x

boundary:
    u = 0    on ∂Ω
