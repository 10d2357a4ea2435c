# expect E336 at 8:29
# stage: check
domain:
    a ∈ periodic(0, 2 π)
    b ∈ [1, 2]

metric:
    g = flat(chart="polar", coordinates=[b, b])

fields:
    u(a, b) : scalar

equations:
    ∇²u = 0

boundary:
    u = 0    on b = 1
    u = 1    on b = 2
