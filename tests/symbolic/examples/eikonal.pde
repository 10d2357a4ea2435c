pdesl 1
# Viscous eikonal equation with a speed that varies
domain:
    x, y ∈ [0, 1]

let:
    speed(s) = 1 + s²/2

fields:
    τ(x, y) : scalar

equations:
    norm(∇τ)² = 1/speed(x + y)² + ∇²τ/50

boundary:
    τ = 0 on ∂Ω
