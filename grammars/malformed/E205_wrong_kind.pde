# expect E205 at 11:11
# stage: check
domain:
    Ω = disk(radius=1)
    x, y ∈ Ω

fields:
    u(x, y) : scalar

equations:
    ∇²u = Ω u

boundary:
    u = 0    on ∂Ω
