# expect E648 at 21:65
# stage: check
domain:
    x ∈ [0, 1]
    t ∈ [0, 100]

fields:
    u(t, x) : scalar

equations:
    ∂t u = ∂x²u

boundary:
    u = 0    on left
    u = 0    on right

initial:
    u = sin(π x)

solver:
    method = method_of_lines(space=finite_difference(400), time=taylor_series(rtol=1e-6))
