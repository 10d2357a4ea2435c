pdesl 1
# Linear elasticity in index notation, with a tensor of stress
parameters:
    λ = 1
    μ = 0.5

domain:
    Ω = disk(radius=1)
    x, y ∈ Ω

fields:
    u(x, y) : vector

let:
    e_{ij} = (∂_i u_{j} + ∂_j u_{i})/2
    σ_{ij} = λ δ_{ij} e_{kk} + 2 μ e_{ij}

equations:
    ∂_j σ_{ij} + δ_{iy} = 0

boundary:
    σ_{ij} n_{j} + u_{i} = 0    on ∂Ω
