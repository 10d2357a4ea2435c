# expect E813 at 16:5
# stage: check
domain:
    x, y ∈ [0, 1]

fields:
    u(x, y) : scalar

equations:
    ∇²u = 0

boundary:
    u = 1    on ∂Ω

output:
    at end: u -> "../u.h5"
