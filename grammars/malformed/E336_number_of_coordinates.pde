# expect E336 at 7:5
# stage: check
domain:
    x, y ∈ [1, 2]

metric:
    g = flat(chart="spherical")

fields:
    u(x, y) : scalar

equations:
    ∇²u = 0

boundary:
    u = 0    on ∂Ω
