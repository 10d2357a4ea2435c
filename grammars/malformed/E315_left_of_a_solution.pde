# expect E315 at 14:5
# stage: check
domain:
    x, y ∈ [0, 1]

fields:
    u(x, y) : scalar
    f(x, y) : source

equations:
    ∇²u = f

manufactured:
    2 u = sin(π x)

boundary:
    u = exact(u)    on ∂Ω
