# expect E344 at 22:5
# stage: check
domain:
    t ∈ [0, 1]
    r ∈ [1, 2]
    θ ∈ periodic(0, 2 π)

metric:
    g = flat(chart="polar")

fields:
    T(t, r, θ) : scalar
    w(t, r) : scalar

equations:
    ∂t T = ∇²T

reduce:
    T = w cos(3 θ)

boundary:
    T = 0    on ∂Ω

initial:
    w = r
