pdesl 1
parameters:
    F = 0.037
    k = 0.06
    D_u = 2e-5
    D_v = 1e-5

domain:
    x, y ∈ periodic(0, 2.5)
    t ∈ [0, 100]

fields:
    u(t, x, y), v(t, x, y) : scalar

equations:
    ∂t u = D_u ∇²u - u v² + F (1 - u)
    ∂t v = D_v ∇²v + u v² - (F + k) v

initial:
    u = 1 - exp(-80 ((x - 1.25)² + (y - 1.25)²))/2
    v = exp(-80 ((x - 1.25)² + (y - 1.25)²))/4
