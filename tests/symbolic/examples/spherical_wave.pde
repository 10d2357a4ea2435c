pdesl 1
# A scalar wave in Minkowski space, spherical coordinates
domain:
    r ∈ [1, 2]
    θ ∈ [0.5, 2]
    φ ∈ periodic(0, 2 π)
    t ∈ [0, 1]

metric:
    ds² = -dt² + dr² + r² (dθ² + sin(θ)² dφ²)

fields:
    ψ(t, r, θ, φ) : scalar

equations:
    □ψ = 0

boundary:
    ψ = 0 on ∂Ω

initial:
    ψ = 0
    ∂t ψ = sin(θ) cos(φ) (r - 1) (2 - r)
