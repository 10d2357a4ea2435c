pdesl 1
# Names that try the bijection of jets: digits, underscores, Greek
domain:
    x1, x_2 ∈ [0, 1]

fields:
    u_1(x1, x_2), u2x(x1, x_2), φ_out(x1, x_2) : scalar

equations:
    ∇²u_1 = ∂x1 u2x
    ∇²u2x = ∂x_2 φ_out
    ∇²φ_out = ∂x1 ∂x_2 u_1

boundary:
    u_1 = 0      on ∂Ω
    u2x = 0      on ∂Ω
    φ_out = 1    on ∂Ω
