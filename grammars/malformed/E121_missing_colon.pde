# expect E121 at 3:1
# stage: parse
domain
    x ∈ [0, 1]
