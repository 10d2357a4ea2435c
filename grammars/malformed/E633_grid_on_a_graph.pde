# expect E633 at 17:36
# stage: check
domain:
    i ∈ graph("data/triangle.csv")
    t ∈ [0, 1]

fields:
    u(t, i) : scalar

equations:
    ∂t u = ∇²u

initial:
    u = 1

solver:
    method = method_of_lines(space=fourier(8))
