# expect E004 at 4:15
# stage: parse
domain:
    x ∈ [0, 1]; y ∈ [0, 1]
