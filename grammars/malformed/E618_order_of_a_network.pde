# expect E618 at 10:5
# stage: check
domain:
    x, y ∈ [0, 1]

fields:
    u(x, y) : scalar

equations:
    ∇²(∇²(∇²(∇²(∇²u)))) = x

boundary:
    u = 0           on ∂Ω
    ∂n u = 0        on ∂Ω
    ∇²u = 0    on ∂Ω
    ∂n(∇²u) = 0    on ∂Ω
    ∇²(∇²u) = 0    on ∂Ω

solver:
    method = pinn(width=20)
