pdesl 1
# Conduction through a pipe wall: the temperature is a logarithm
parameters:
    a = 1
    b = 3

domain:
    Ω = annulus(inner=a, outer=b)
    x, y ∈ Ω

let:
    r = sqrt(x² + y²)

fields:
    T(x, y) : scalar

equations:
    ∇·((1 + r) ∇T) = ∇·((1 + r) ∇exact(T))

boundary:
    T = 0            on inner
    ∂n T + T = ∂n exact(T) + exact(T)    on outer

verify:
    T = log(r/a)
