# expect E507 at 1:1
# stage: check
# set: parameters.λ=2
domain:
    x, y ∈ [0, 1]

parameters:
    κ = 2

fields:
    u(x, y) : scalar

equations:
    κ ∇²u = x

boundary:
    u = 0    on ∂Ω
