pdesl 1
# Ions of two kinds in a disk, driven by diffusion and by the field that they make themselves: the
# potential obeys Poisson's equation at every moment. Ions leave through the rim by a reaction of
# second order, a boundary condition that is not linear.
parameters:
    k = 0.5

domain:
    Ω = disk(center=(0, 0), radius=1)
    x, y ∈ Ω
    t ∈ [0, 0.5]

fields:
    a(t, x, y), b(t, x, y), φ(t, x, y) : scalar
    f(t, x, y), g(t, x, y), h(t, x, y) : source

equations:
    ∂t a = ∇·(∇a + a ∇φ) + f
    ∂t b = ∇·(∇b - b ∇φ) + g
    ∇²φ = b - a + h

boundary:
    ∂n a + k a² = ∂n exact(a) + k exact(a)²    on ∂Ω
    ∂n b = ∂n exact(b)                         on ∂Ω
    φ = exact(φ)                               on ∂Ω

initial:
    a = exact(a)
    b = exact(b)

manufactured:
    a = 1 + x exp(-t)/2
    b = 1 + cos(2 y) exp(-t)/3
    φ = sin(x + t) cos(y)

solver:
    method = method_of_lines(space=rbf_fd(nodes=600), time=imex_rk3(dt=0.02))

verify:
    relative_l2(a) ≤ 1e-4
    relative_l2(b) ≤ 1e-4
    relative_l2(φ) ≤ 1e-4

output:
    at end: a, b, φ -> "ions.h5"
