# expect E011 at 4:12
# stage: parse
parameters:
    κ = 2^(10^6)
