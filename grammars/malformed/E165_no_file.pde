# expect E165 at 15:5
# expect E165 at 16:5
# stage: parse
domain:
    x, y ∈ [0, 1]
    t ∈ [0, 1]

parameters:
    κ = 2

fields:
    u(t, x, y) : scalar

output:
    every 0.1: u
    when max(u) > 1e3: stop -> "u.h5"
