# expect E322 at 10:50
# stage: check
domain:
    r ∈ [3, 4]
    θ ∈ [1, 2]
    φ ∈ [0, 1]
    t ∈ [0, 1]

metric:
    g = schwarzschild(mass=1, chart="spherical", center=(1, 0, 0))

fields:
    u(t, r, θ, φ) : scalar

equations:
    □u = 0

boundary:
    u = 0    on ∂Ω

initial:
    u = 0
    ∂t u = 0
