# expect W930 at 8:5
# stage: check
domain:
    r ∈ [-1, 1]
    φ ∈ periodic(0, 2 π)

metric:
    ds² = dr² + r² dφ²

fields:
    u(r, φ) : scalar

equations:
    ∇²u = 0

boundary:
    u = 0    on ∂Ω
