# expect E338 at 5:5
# stage: check
domain:
    r ∈ [1, 2]
    φ ∈ periodic(0, π)

metric:
    g = flat(chart="polar")

fields:
    u(r, φ) : scalar

equations:
    ∇²u = 0

boundary:
    u = 0    on r = 1
    u = 1    on r = 2
