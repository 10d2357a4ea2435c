pdesl 1
# A simply supported plate
domain:
    Ω = polygon([(0, 0), (2, 0), (2, 1), (0, 1)])
    x, y ∈ Ω

fields:
    w(x, y) : scalar

equations:
    ∇⁴w = 1

boundary:
    w = 0      on ∂Ω
    ∇²w = 0    on ∂Ω
