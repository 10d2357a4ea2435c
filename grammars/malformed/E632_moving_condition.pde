# expect E632 at 14:5
# stage: check
domain:
    x ∈ [0, 1]
    t ∈ [0, 1]

fields:
    u(t, x) : scalar

equations:
    ∂t u = ∂x²u

boundary:
    ∂n u + ∂t u = 0   on ∂Ω

initial:
    u = 1

solver:
    method = method_of_lines
