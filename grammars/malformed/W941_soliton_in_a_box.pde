# expect W941 at 15:5
# stage: check
domain:
    x ∈ [-9, 9]
    t ∈ [0, 1]

fields:
    u(t, x) : scalar
    f(t, x) : source

equations:
    ∂t u = ∂x²u + f

boundary:
    u = 0    on ∂Ω

initial:
    u = exact(u)

manufactured:
    u = sech(2 x) exp(-t)
