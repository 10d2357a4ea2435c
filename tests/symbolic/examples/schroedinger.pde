pdesl 1
# Schrödinger equation as two real fields in a harmonic trap
domain:
    x ∈ [-8, 8]
    t ∈ [0, 2]

let:
    V = x²/2

fields:
    a(t, x), b(t, x) : scalar

equations:
    ∂t a = -∂x²b/2 + V b
    -∂t b = -∂x²a/2 + V a

boundary:
    a = 0 on ∂Ω
    b = 0 on ∂Ω

initial:
    a = exp(-(x - 1)²)
    b = 0
