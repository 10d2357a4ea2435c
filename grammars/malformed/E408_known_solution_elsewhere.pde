# expect E408 at 17:5
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

boundary:
    u = 1    on ∂Ω
