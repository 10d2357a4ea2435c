# expect E005 at 4:8
# expect E005 at 6:1
# stage: parse
domain {
    x ∈ [0, 1]
}
