# expect E337 at 7:5
# stage: check
domain:
    x, y ∈ [-1, 1]

metric:
    ds² = dx² + x dy²

fields:
    u(x, y) : scalar

equations:
    ∇²u = 0

boundary:
    u = 0    on ∂Ω
