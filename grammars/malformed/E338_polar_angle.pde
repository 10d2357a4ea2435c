# expect E338 at 4:5
# stage: check
domain:
    θ ∈ [0.5, 4]
    φ ∈ periodic(0, 2 π)

metric:
    g = sphere(radius=2)

fields:
    u(θ, φ) : scalar

equations:
    ∇²u = 0

boundary:
    u = 0    on ∂Ω
