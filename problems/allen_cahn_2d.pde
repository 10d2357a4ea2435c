pdesl 1
# The Allen-Cahn equation: phases that separate, and interfaces that move by their curvature
# (S. M. Allen and J. W. Cahn, Acta Metall. 27, 1979), on a periodic square
parameters:
    ε = 0.05    # width of an interface

domain:
    x, y ∈ periodic(0, 1)
    t ∈ [0, 4]

fields:
    u(t, x, y) : scalar

equations:
    ∂t u = ε² ∇²u + u - u³

initial:
    u = (cos(2 π x) + cos(2 π y) + sin(2 π (x + y))) / 4

solver:
    method = method_of_lines(space=fourier(64), time=imex_rk4(rtol=1e-6))

verify:
    reference = method_of_lines(space=fourier(96), time=etdrk4(dt=0.01))
    relative_l2(u) ≤ 1e-5

output:
    every 0.5: u -> "phases.h5"
