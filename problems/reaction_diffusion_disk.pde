pdesl 1
# Reaction and diffusion in a disk (Fisher's equation with a source), a Robin condition that
# changes in time, scattered nodes and implicit diffusion
parameters:
    D = 0.1
    r = 2

domain:
    Ω = disk(center=(0, 0), radius=1)
    x, y ∈ Ω
    t ∈ [0, 1]

fields:
    u(t, x, y) : scalar
    f(t, x, y) : source

equations:
    ∂t u = D ∇²u + r u (1 - u) + f

boundary:
    ∂n u + u = ∂n exact(u) + exact(u)    on ∂Ω

initial:
    u = exact(u)

manufactured:
    u = 1/2 + sin(π x) cos(π y) cos(2 t) / 4

solver:
    method = method_of_lines(space=rbf_fd(nodes=2000, order=4), time=imex_rk3(dt=0.01))

verify:
    relative_l2(u) ≤ 1e-5

output:
    every 0.1: u -> "reaction.h5"
