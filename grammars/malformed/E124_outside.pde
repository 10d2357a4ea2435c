# expect E124 at 4:1
# expect E124 at 7:1
# stage: parse
κ = 2

domain:
x ∈ [0, 1]
