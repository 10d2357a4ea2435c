pdesl 1
# Transverse-magnetic waves in a conducting box
domain:
    x, y ∈ [0, 1]
    t ∈ [0, 2]

fields:
    B(t, x, y) : vector
    E(t, x, y) : scalar

equations:
    ∂t B = (-∂y E, ∂x E)
    ∂t E = ∇×B

boundary:
    E = 0 on ∂Ω

initial:
    B = (0, 0)
    E = sin(π x) sin(π y)
