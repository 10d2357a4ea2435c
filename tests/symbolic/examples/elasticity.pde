pdesl 1
# Plane strain of a clamped block
parameters:
    λ = 1.2
    μ = 0.8

domain:
    x, y ∈ [0, 1]

fields:
    u(x, y) : vector

let:
    ε = (∇u + transpose(∇u))/2
    σ = λ trace(ε) identity + 2 μ ε

equations:
    ∇·σ + (0, -1) = 0

boundary:
    u = 0                  on x = 0
    σ·n = (0, 0)           on y = 0, y = 1, x = 1
