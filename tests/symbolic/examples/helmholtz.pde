pdesl 1
# A sound-soft wave in a star, Helmholtz equation
parameters:
    k = 6

domain:
    Ω = polar(radius=1 + cos(5 θ)/5)
    x, y ∈ Ω

fields:
    u(x, y) : scalar
    f(x, y) : source

equations:
    ∇²u + k² u = f

boundary:
    u = exact(u) on ∂Ω

manufactured:
    u = besselj(0, k sqrt((x - 3)² + y²))
