# expect W940 at 8:5
# stage: check
domain:
    Ω = disk(radius=1)
    x, y ∈ Ω

fields:
    u(x, y) : scalar

equations:
    ∇²u = x + (∂x u)²

boundary:
    ∂n u = 0    on ∂Ω
