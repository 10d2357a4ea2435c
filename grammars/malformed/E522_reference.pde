# expect E522 at 21:5
# stage: check
domain:
    x ∈ [0, 1]
    t ∈ [0, 1]

fields:
    u(t, x) : scalar

equations:
    ∂t u = ∂x²u

boundary:
    u = 0    on ∂Ω

initial:
    u = sin(π x)

verify:
    reference = 4
    relative_l2(u) ≤ 1e-3
