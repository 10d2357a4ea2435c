# expect E335 at 7:5
# stage: check
domain:
    x, y ∈ [0, 1]

metric:
    ds² = dx²

fields:
    u(x, y) : scalar

equations:
    ∇²u = 0

boundary:
    u = 0    on ∂Ω
