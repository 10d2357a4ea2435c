# expect E636 at 20:35
# stage: check
domain:
    x ∈ [0, 1]
    t ∈ [0, 1]

fields:
    u(t, x) : scalar

equations:
    ∂t u = ∂x²u

boundary:
    u = 0    on ∂Ω

initial:
    u = sin(π x)

solver:
    method = method_of_lines(time=etdrk4(dt=0.01))
