# expect E420 at 4:16
# stage: check
domain:
    x ∈ [0, 1]^65

fields:
    u(x) : scalar

equations:
    ∇²u = 0

boundary:
    u = 0    on ∂Ω
