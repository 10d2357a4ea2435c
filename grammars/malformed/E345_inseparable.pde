# expect E345 at 5:8
# stage: check
domain:
    Ω = disk(radius=1)
    x, y ∈ Ω
    t ∈ [0, 1]

fields:
    u(t, x, y) : scalar
    w(t, x) : scalar

equations:
    ∂t u = ∇²u

reduce:
    u = w sin(3 y)

boundary:
    w = 0    on ∂Ω

initial:
    w = x
