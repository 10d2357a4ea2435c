# expect E006 at 4:6
# stage: parse
domain:
    x​ ∈ [0, 1]
