pdesl 1
# Laplace's equation in polar coordinates, from the line element
domain:
    r ∈ [1, 2]
    θ ∈ periodic(0, 2 π)

metric:
    ds² = dr² + r² dθ²

fields:
    u(r, θ) : scalar

equations:
    ∇²u = 0

boundary:
    u = cos(2 θ)    on r = 1
    ∂r u = 0        on r = 2
