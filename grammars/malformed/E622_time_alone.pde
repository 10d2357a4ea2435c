# expect E622 at 16:5
# stage: check
domain:
    t ∈ [0, 1]

fields:
    u(t) : scalar

equations:
    ∂t u = -u

initial:
    u = 1

output:
    every 0.1: u -> "u.xdmf"
