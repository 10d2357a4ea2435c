# expect E335 at 7:9
# stage: check
domain:
    x, y ∈ [0, 1]

metric:
    g = [[1, x], [y, 1]]

fields:
    u(x, y) : scalar

equations:
    ∇²u = x

boundary:
    u = 0    on ∂Ω
