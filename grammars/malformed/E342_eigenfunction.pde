# expect E342 at 19:5
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
    T = w Y(2, 1, θ, r)

boundary:
    w = 0    on ∂Ω

initial:
    w = r
