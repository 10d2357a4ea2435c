# expect E123 at 6:7
# expect E123 at 8:3
# stage: parse
domain:
    x ∈ [0, 1]
      y ∈ [0, 1]

  parameters:
    κ = 2
