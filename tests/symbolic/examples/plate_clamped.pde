pdesl 1
domain:
    Ω = disk(radius=1)
    x, y ∈ Ω

fields:
    w(x, y) : scalar
    q(x, y) : source

equations:
    ∇²(∇²w) = q

boundary:
    w = 0       on ∂Ω
    ∂n w = 0    on ∂Ω

manufactured:
    w = (1 - x² - y²)²
