# expect E532 at 17:21
# stage: check
domain:
    Ω = disk(radius=1)
    x, y ∈ Ω

fields:
    u(x, y) : scalar

equations:
    ∇²u = 1

boundary:
    u = 0    on ∂Ω

solver:
    method = rbf_fd(spacing=0.1 - x)
