# expect E211 at 15:5
# stage: check
domain:
    x, y ∈ [0, 1]

fields:
    u(x, y) : scalar
    f(x, y) : source

equations:
    ∇²u = f

manufactured:
    u = sin(π x)
    u = cos(π x)

boundary:
    u = exact(u)    on ∂Ω
