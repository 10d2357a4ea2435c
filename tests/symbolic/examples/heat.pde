pdesl 1
# Heat in a rod with a convective end
parameters:
    κ = 0.2
    h = 3
    T0 = 1

domain:
    x ∈ [0, 2]
    t ∈ [0, 1]

fields:
    T(t, x) : scalar

equations:
    ∂t T = κ ∇²T

boundary:
    T = T0                  on x = 0
    -κ ∂n T = h (T - T0)    on x = 2

initial:
    T = T0 + sin(π x)
