# expect E611 at 7:5
# stage: check
domain:
    x, y ∈ [0, 1]

parameters:
    κ = unknown(start=1)

fields:
    u(x, y) : scalar

equations:
    κ ∇²u = x

boundary:
    u = 0    on ∂Ω
