pdesl 1
# A symmetric tensor of waves on a sphere, beside time
domain:
    t ∈ [0, 1]
    θ ∈ [0.5, 2.5]
    φ ∈ periodic(0, 2 π)

metric:
    ds² = -dt² + 4 dθ² + 4 sin²(θ) dφ²

fields:
    h_{ij}(t, θ, φ) : tensor(symmetric)

equations:
    ∂t²h_{ij} = ∇^k ∇_k h_{ij} - R_{ikjl} h^{kl}

boundary:
    h_{ij} n^{i} n^{j} = 0      on ∂Ω
    h_{φφ} = 0    on ∂Ω
    ∂n h_θ_φ = 0    on ∂Ω

initial:
    h_{ij} = 0
    ∂t h_{ij} = g_{ij}
