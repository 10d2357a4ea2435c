# expect E445 at 4:12
# stage: check
domain:
    x, y ∈ level_set(function=(x² + y² - 1)^99, lower=(-2, -2), upper=(2, 2))

fields:
    u(x, y) : scalar

equations:
    ∇²u = x

boundary:
    u = 0    on ∂Ω
