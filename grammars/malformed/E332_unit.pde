# expect E332 at 7:11
# stage: check
domain:
    x, y ∈ [0, 1]

parameters:
    κ = 2 [furlog]

fields:
    u(x, y) : scalar

equations:
    κ ∇²u = x

boundary:
    u = 0    on ∂Ω
