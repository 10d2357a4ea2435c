pdesl 1
parameters:
    p = 3

domain:
    x, y, z ∈ ball(radius=1)

fields:
    u(x, y, z) : scalar

equations:
    -∇·(norm(∇u)^(p - 2) ∇u) = 1

boundary:
    u = 0 on ∂Ω
