# expect E635 at 11:5
# stage: check
domain:
    x ∈ periodic(0, 1)
    t ∈ [0, 1]

fields:
    u(t, x) : scalar

equations:
    ∂t u = (2 + cos(2 π x)) ∂x²u

initial:
    u = sin(2 π x)

solver:
    method = method_of_lines(space=fourier(32))
