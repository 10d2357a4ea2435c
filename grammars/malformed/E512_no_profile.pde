# expect E512 at 1:1
# stage: check
# profile: quik
domain:
    x, y ∈ [0, 1]

fields:
    u(x, y) : scalar

equations:
    ∇²u = x

boundary:
    u = 0    on ∂Ω

profile "quick":
    solver.order = 2
