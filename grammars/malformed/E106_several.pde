# expect E106 at 4:10
# stage: parse
parameters:
    κ = 2, ν = 3
