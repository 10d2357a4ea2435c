# expect E431 at 14:5
# stage: check
domain:
    x, y ∈ [0, 1]

fields:
    u(x, y) : scalar

equations:
    ∇²u = 0

boundary:
    ∂n u = 0    on ∂Ω
    ∫(u²) = 1
