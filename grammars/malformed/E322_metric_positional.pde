# expect E322 at 7:9
# stage: check
domain:
    x, y ∈ [1, 2]

metric:
    g = sphere(2)

fields:
    u(x, y) : scalar

equations:
    ∇²u = 0

boundary:
    u = 0    on ∂Ω
