pdesl 1
# Fisher's equation around an absorbing hole
parameters:
    R = 2
    r = 0.9

domain:
    plate = disk(radius=R)
    hole = disk(center=(0.5, 0), radius=R/4)
    Ω = plate - hole
    x, y ∈ Ω
    t ∈ [0, 5]

fields:
    u(t, x, y) : scalar

equations:
    ∂t u = ∇²u + r u (1 - u)

boundary:
    u = 0       on ∂hole
    ∂n u = 0    on ∂plate

initial:
    u = 1
