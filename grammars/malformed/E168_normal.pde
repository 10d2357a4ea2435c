# expect E168 at 4:5
# stage: parse
domain:
    n ∈ [0, 1]
