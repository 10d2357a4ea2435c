# expect E329 at 10:20
# stage: check
domain:
    x, y ∈ [0, 1]

fields:
    v(x, y) : vector

equations:
    ∇²v = [v[1], v[3]]

boundary:
    v = 0    on ∂Ω
