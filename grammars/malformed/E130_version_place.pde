# expect E130 at 6:1
# stage: parse
parameters:
    κ = 2

pdesl 1
