# expect E327 at 10:5
# stage: check
domain:
    x, y ∈ [0, 1]

fields:
    u(x, y) : scalar

equations:
    ∇²u = 1e300 u * 1e300

boundary:
    u = 0    on ∂Ω
