# expect W904 at 1:1
# stage: parse
parameters:
    κ = 2
