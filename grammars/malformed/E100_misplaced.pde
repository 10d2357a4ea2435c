# expect E100 at 4:12
# stage: parse
parameters:
    κ = 50 %
