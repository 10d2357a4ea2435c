pdesl 1
# Vlasov equation in a given field, three dimensions of space and three of velocity
domain:
    x ∈ periodic(-1, 1)^3
    v ∈ [-1, 1]^3
    t ∈ [0, 1]

let:
    E = (-sin(π x1), 0, -x3)

fields:
    f(t, x, v) : scalar

equations:
    ∂t f + v·∇_x f + E·∇_v f = 0

initial:
    f = exp(-norm(v)² - x·x)
