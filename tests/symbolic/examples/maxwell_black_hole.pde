pdesl 1
# Electromagnetic waves around a black hole, the potential in the Lorenz gauge
parameters:
    M = 0.5

domain:
    t ∈ [0, 1]
    r ∈ [2, 5]
    θ ∈ [0.5, 2]
    φ ∈ [0, 1]

metric:
    ds² = -(1 - 2 M/r) dt² + dr²/(1 - 2 M/r) + r² dθ² + r² sin²(θ) dφ²

fields:
    A_{μ}(t, r, θ, φ) : tensor

let:
    F_{μν} = ∂_μ A_{ν} - ∂_ν A_{μ}

equations:
    ∇_μ F^{μν} + ∇^ν ∇_μ A^{μ} = 0

boundary:
    A_{μ} = 0    on ∂Ω

initial:
    A_{μ} = 0
    ∂t A_{μ} = 0
