# expect E629 at 17:5
# stage: check
domain:
    x, y ∈ [0, 1]
    t ∈ [0, 1]

fields:
    v(t, x, y) : vector
    p(t, x, y) : scalar

equations:
    ∂t v + ∇p = ∇²v
    ∇·v = 0

boundary:
    v = [0, 0]    on ∂Ω
    ∫(p) = 0

initial:
    v = [0, 0]

solver:
    method = pinn
