# expect E171 at 5:5
# expect E171 at 8:5
# stage: parse
domain:
    2 x ∈ [0, 1]

fields:
    u(2) : scalar
