pdesl 1
parameters:
    ε = 0.05

domain:
    x, y ∈ periodic(0, 1)
    t ∈ [0, 10]

fields:
    u(t, x, y) : scalar

equations:
    ∂t u = ε² ∇²u + u - u³

initial:
    u = cos(2 π x) cos(2 π y) / 10
