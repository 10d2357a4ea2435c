# expect E412 at 4:28
# stage: check
domain:
    Ω = level_set(function=x² + y² - u, lower=(-2, -2), upper=(2, 2))
    x, y ∈ Ω

fields:
    u(x, y) : scalar

equations:
    ∇²u = x

boundary:
    u = 0    on ∂Ω
