# expect E122 at 6:1
# stage: parse
domain:
    x ∈ [0, 1]

equations:
