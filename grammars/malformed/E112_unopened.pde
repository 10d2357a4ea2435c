# expect E112 at 5:14
# expect E112 at 6:13
# stage: parse
domain:
    x ∈ [0, 1)
    y ∈ 0, 1]
