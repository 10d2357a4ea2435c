pdesl 1
# Stokes flow past a cylinder in a channel
parameters:
    μ = 1
    H = 0.41

domain:
    channel = rectangle(x=[0, 2.2], y=[0, H])
    cylinder = disk(center=(0.2, 0.2), radius=0.05)
    Ω = channel - cylinder
    x, y ∈ Ω

fields:
    v(x, y) : vector
    p(x, y) : scalar

equations:
    -μ ∇²v + ∇p = 0
    ∇·v = 0

boundary:
    v = (4 y (H - y)/H², 0)    on x = 0
    v = 0                      on y = 0, y = H, ∂cylinder
    μ ∂n v - p n = 0           on x = 2.2
