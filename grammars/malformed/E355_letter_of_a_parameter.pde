# expect E355 at 14:18
# stage: check
parameters:
    μ = 0.1

domain:
    t ∈ [0, 1]
    x, y ∈ [0, 1]

fields:
    v(t, x, y) : vector

equations:
    ∂t v^{i} = μ ∂_μ ∂_μ v^{i}

boundary:
    v = 0    on ∂Ω

initial:
    v = 0
