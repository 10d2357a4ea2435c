# expect E336 at 7:5
# stage: check
domain:
    x, y, z ∈ [1, 2]

metric:
    g = kerr(mass=1, spin=0.5)

fields:
    u(x, y, z) : scalar

equations:
    ∇²u = 0

boundary:
    u = 0    on ∂Ω
