# expect E343 at 16:18
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
    ∂t T = ∇²T - cos(θ) T

reduce:
    T = w cos(3 θ)

boundary:
    w = 0    on ∂Ω

initial:
    w = r
