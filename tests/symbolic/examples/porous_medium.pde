pdesl 1
parameters:
    m = 3

domain:
    x, y ∈ [-2, 2]
    t ∈ [0, 1]

fields:
    u(t, x, y) : scalar

equations:
    ∂t u = ∇·(u^m ∇u)

boundary:
    u = 1/10 on ∂Ω

initial:
    u = 1/10 + max(0, 1 - x² - y²)
