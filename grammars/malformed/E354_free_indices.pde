# expect E354 at 14:5
# stage: check
domain:
    t ∈ [0, 1]
    x, y ∈ [1, 2]

metric:
    ds² = -dt² + dx² + x² dy²

fields:
    A_{μ}(t, x, y) : tensor

equations:
    ∇^{μ} ∇_{μ} A_{ν} = A_{σ}

boundary:
    A_{μ} = 0    on ∂Ω

initial:
    A_{μ} = 0
    ∂t A_{μ} = 0
