# expect E301 at 10:5
# stage: check
domain:
    x, y ∈ [0, 1]

fields:
    v(x, y) : vector

equations:
    ∇²v = x

boundary:
    v = 0    on ∂Ω
