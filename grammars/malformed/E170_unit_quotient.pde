# expect E170 at 4:14
# stage: parse
parameters:
    λ = 0.6 [W/m K]
