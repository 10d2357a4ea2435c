pdesl 1
# Euler–Bernoulli beam with a stiffness that varies, clamped and free
parameters:
    q = 2.5 [kN/m]
    L = 4 [m]
    B = 12 [kN m²]

domain:
    x ∈ [0, L]

let:
    EI = B (1 + x/(2 L))

fields:
    w(x) : scalar [m]

equations:
    ∂x²(EI ∂x²w) = q

boundary:
    w = 0                on x = 0
    ∂n w = 0             on x = 0
    ∂x²w = 0             on x = L
    ∂x(EI ∂x²w) = 0      on x = L
