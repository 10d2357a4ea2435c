# expect E125 at 3:9
# stage: parse
domain: x ∈ [0, 1]
