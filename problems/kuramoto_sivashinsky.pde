pdesl 1
# The Kuramoto-Sivashinsky equation on its chaotic attractor's usual length, from a smooth state
# (A.-K. Kassam and L. N. Trefethen, SIAM J. Sci. Comput. 26, 2005, section 4, on another length);
# the reference is a fine run of ETDRK4
domain:
    x ∈ periodic(0, 22)
    t ∈ [0, 10]

fields:
    u(t, x) : scalar

equations:
    ∂t u = stiff(-∂x²u - ∂x⁴u) + nonstiff(-u ∂x u)

initial:
    u = cos(2 π x / 22) (1 + sin(2 π x / 22))

solver:
    method = method_of_lines(space=fourier(64), time=imex_rk4(dt=0.02))

verify:
    reference = method_of_lines(space=fourier(128), time=etdrk4(dt=0.005))
    relative_l2(u) ≤ 1e-6

output:
    every 0.5: u -> "ks.h5"
