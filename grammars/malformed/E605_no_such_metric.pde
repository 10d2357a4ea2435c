# expect E605 at 7:5
# stage: check
domain:
    x, y ∈ [0, 1]

metric:
    g = alcubierre(speed=1)

fields:
    u(x, y) : scalar

equations:
    ∇²u = x

boundary:
    u = 0    on ∂Ω
