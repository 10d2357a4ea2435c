pdesl 1
# A drum: the wave equation on an ellipse
parameters:
    c = 2

domain:
    Ω = ellipse(semi_axes=(2, 1), angle=π/6)
    x, y ∈ Ω
    t ∈ [0, 3]

fields:
    w(t, x, y) : scalar

equations:
    ∂t²w = c² ∇²w

boundary:
    w = 0 on ∂Ω

initial:
    w = exp(-9 (x² + y²))
    ∂t w = 0
