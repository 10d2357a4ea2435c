# expect E505 at 16:11
# stage: check
domain:
    x, y ∈ [0, 1]

fields:
    u(x, y) : scalar

equations:
    ∇²u = x

boundary:
    u = 0    on ∂Ω

data:
    obs = 3
