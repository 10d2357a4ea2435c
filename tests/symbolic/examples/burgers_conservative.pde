pdesl 1
parameters:
    nu = 0.01

domain:
    x in periodic(0, 2 pi)
    t in [0, 1]

fields:
    u(t, x) : scalar

equations:
    dt(u) + dx(u^2/2) = nu * dx(u, 2)

initial:
    u = sin(x)
