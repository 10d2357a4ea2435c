# expect E333 at 11:5
# stage: check
domain:
    x, y ∈ [0, 1]

fields:
    u(x, y) : scalar
    f(x, y) : source

equations:
    ∇²u = u f

manufactured:
    u = sin(π x)

boundary:
    u = exact(u)    on ∂Ω
