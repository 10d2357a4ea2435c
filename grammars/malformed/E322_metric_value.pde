# expect E322 at 8:24
# stage: check
domain:
    θ ∈ [0, 1]
    φ ∈ [0, 1]

metric:
    g = torus(major=1, minor=2)

fields:
    u(θ, φ) : scalar

equations:
    ∇²u = 0

boundary:
    u = 0    on ∂Ω
