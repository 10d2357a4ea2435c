pdesl 1
# A lid-driven cavity
parameters:
    Re = 100

domain:
    x, y ∈ [0, 1]
    t ∈ [0, 20]

fields:
    v(t, x, y) : vector
    p(t, x, y) : scalar

equations:
    ∂t v + (v·∇)v = -∇p + ∇²v / Re
    ∇·v = 0

boundary:
    v = (0, 0)    on left, right, bottom
    v = (1, 0)    on top

initial:
    v = (0, 0)
