# expect E628 at 11:12
# stage: check
domain:
    x ∈ periodic(0, 1)
    t ∈ [0, 1]

fields:
    u(t, x) : scalar

equations:
    ∂t u = ∂t∂x²u + ∂x u

initial:
    u = sin(2 π x)

solver:
    method = method_of_lines()
