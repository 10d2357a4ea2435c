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
    ∂n u + u⁴ = 0    on ∂Ω

initial:
    u = 0

solver:
    method = method_of_lines
