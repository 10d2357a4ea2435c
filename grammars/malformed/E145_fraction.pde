# expect E145 at 16:5
# expect E145 at 17:5
# expect E145 at 18:9
# stage: parse
domain:
    x, y ∈ [0, 1]
    t ∈ [0, 1]

parameters:
    κ = 2

fields:
    u(t, x, y) : scalar

equations:
    ∂u/∂t = κ ∇²u
    du/dt = ∂²u/∂x²
    0 = ∂²u/∂x²
