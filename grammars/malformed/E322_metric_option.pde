# expect E322 at 7:16
# stage: check
domain:
    x, y ∈ [1, 2]

metric:
    g = sphere(radus=2)

fields:
    u(x, y) : scalar

equations:
    ∇²u = 0

boundary:
    u = 0    on ∂Ω
