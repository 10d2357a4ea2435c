# expect E326 at 10:5
# stage: check
domain:
    x, y ∈ [0, 1]

fields:
    u(x, y) : scalar

equations:
    ∇²u = sqrt(x - 1/2)

boundary:
    u = 0    on ∂Ω
