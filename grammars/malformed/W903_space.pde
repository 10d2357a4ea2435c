# expect W903 at 4:8
# stage: parse
parameters:
    κ = 2
