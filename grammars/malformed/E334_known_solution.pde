# expect E334 at 14:5
# stage: check
domain:
    x, y ∈ [0, 1]

fields:
    u(x, y) : scalar
    f(x, y) : source

equations:
    ∇²u = f

manufactured:
    u = u² + x

boundary:
    u = exact(u)    on ∂Ω
