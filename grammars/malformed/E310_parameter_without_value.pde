# expect E310 at 8:5
# stage: check
domain:
    x, y ∈ [0, 1]

parameters:
    a = 1
    κ = log(a - 2)

fields:
    u(x, y) : scalar

equations:
    κ ∇²u = x

boundary:
    u = 0    on ∂Ω
