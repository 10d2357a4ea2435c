# expect E146 at 4:12
# stage: parse
parameters:
    κ = 2^3^2
