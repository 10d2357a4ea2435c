# expect E633 at 16:38
# stage: check
domain:
    t ∈ [0, 1]

fields:
    u(t) : scalar

equations:
    ∂t u = -u

initial:
    u = 1

solver:
    method = method_of_lines(space = fourier(points=32))
