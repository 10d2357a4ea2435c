# expect E129 at 3:7
# stage: parse
pdesl 7

parameters:
    κ = 2
