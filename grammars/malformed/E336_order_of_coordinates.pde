# expect E336 at 4:5
# stage: check
domain:
    φ ∈ periodic(0, 2 π)
    r ∈ [1, 2]

metric:
    g = flat(chart="polar")

fields:
    u(φ, r) : scalar

equations:
    ∇²u = 0

boundary:
    u = 0    on r = 1
    u = 1    on r = 2
