# expect E633 at 21:36
# stage: check
domain:
    Ω = disk(radius=1)
    x, y ∈ Ω
    t ∈ [0, 1]

fields:
    u(t, x, y) : scalar

equations:
    ∂t u = ∇²u

boundary:
    u = 0    on ∂Ω

initial:
    u = 1 - x² - y²

solver:
    method = method_of_lines(space=finite_difference(32))
