# expect E108 at 4:5
# stage: parse
parameters:
    on = 2
