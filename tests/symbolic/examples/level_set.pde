pdesl 1
# Minimal surfaces over a level set and a union of disks
domain:
    blob = level_set(x⁴ + y⁴ - x² y²/2 - 1, (-2, -2), (2, 2))
    ear = disk(center=(1.2, 0), radius=0.5)
    Ω = union(blob, ear)
    x, y ∈ Ω

fields:
    u(x, y) : scalar

equations:
    ∇·(∇u / sqrt(1 + ∇u·∇u)) = 0

boundary:
    u = x² - y on ∂Ω
