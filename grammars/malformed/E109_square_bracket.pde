# expect E109 at 5:11
# stage: parse
parameters:
    κ = 2
    ν = κ [m²/s]
