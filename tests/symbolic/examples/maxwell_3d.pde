pdesl 1
domain:
    x, y, z ∈ periodic(0, 1)
    t ∈ [0, 1]

fields:
    E(t, x, y, z), B(t, x, y, z) : vector

equations:
    ∂t E = ∇×B
    ∂t B = -∇×E

initial:
    E = (sin(2 π z), 0, 0)
    B = (0, sin(2 π z), 0)
