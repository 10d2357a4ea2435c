# expect E010 at 4:9
# stage: parse
parameters:
    κ = 1e999
