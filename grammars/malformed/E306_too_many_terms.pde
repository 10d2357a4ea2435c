# expect E306 at 10:11
# stage: check
domain:
    x, y ∈ [0, 1]

fields:
    u(x, y) : scalar

equations:
    ∇²u = ∂x⁹ (exp(sin(exp(x u))))

boundary:
    u = 0    on ∂Ω
