# expect E322 at 7:26
# stage: check
domain:
    x, y ∈ [1, 2]

metric:
    g = sphere(radius=2, chart="mercator")

fields:
    u(x, y) : scalar

equations:
    ∇²u = 0

boundary:
    u = 0    on ∂Ω
