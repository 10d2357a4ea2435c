pdesl 1
parameters:
    ν = 0.01 / π

domain:
    x ∈ [-1, 1]
    t ∈ [0, 1]

fields:
    u(t, x) : scalar

equations:
    ∂t u + u ∂x u = ν ∂x²u

boundary:
    u = 0 on ∂Ω

initial:
    u = -sin(π x)
