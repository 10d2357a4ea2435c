pdesl 1
# A tracer in a stirred square, conservative and with a velocity field that has no divergence
parameters:
    D = 0.01

domain:
    x, y ∈ [0, 1]
    t ∈ [0, 1]

let:
    ψ = sin(π x)² sin(π y)²
    v = [∂y ψ, -∂x ψ]

fields:
    c(t, x, y) : scalar

equations:
    ∂t c + ∇·(v c) = D ∇²c

boundary:
    ∂n c = 0 on ∂Ω

initial:
    c = step(x - 1/2)
