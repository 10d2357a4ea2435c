# expect E169 at 5:19
# expect E169 at 6:14
# stage: parse
parameters:
    g = 9.81 [m/s + 1]
    h = 1 [m^0.5]
