# expect E313 at 8:5
# stage: check
domain:
    x, y ∈ [0, 1]

fields:
    u(x, y) : scalar
    f(x, y) : source

equations:
    ∇²u = f

boundary:
    u = 0    on ∂Ω
