# expect E341 at 18:5
# stage: check
domain:
    t ∈ [0, 1]
    r ∈ [1, 2]
    θ ∈ periodic(0, 2 π)

metric:
    g = flat(chart="polar")

fields:
    T(t, r, θ) : scalar

equations:
    ∂t T = ∇²T

reduce:
    T = cos(3 θ) exp(-t)

boundary:
    T = 0    on ∂Ω

initial:
    T = r
