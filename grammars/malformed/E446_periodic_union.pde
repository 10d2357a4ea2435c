# expect E446 at 4:12
# stage: check
domain:
    x, y ∈ union(box(lower=(0, 0), upper=(1, 1), periodic=(1, 0)), disk(radius=1))

fields:
    u(x, y) : scalar

equations:
    ∇²u = x

boundary:
    u = 0    on ∂Ω
