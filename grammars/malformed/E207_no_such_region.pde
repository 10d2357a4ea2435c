# expect E207 at 4:12
# stage: check
domain:
    x, y ∈ Omga
    Ω = disk(radius=1)

fields:
    u(x, y) : scalar

equations:
    ∇²u = x

boundary:
    u = 0    on ∂Ω
