# expect E318 at 7:15
# stage: check
domain:
    x, y ∈ [0, 1]

fields:
    u(x, y) : scaler

equations:
    ∇²u = x

boundary:
    u = 0    on ∂Ω
