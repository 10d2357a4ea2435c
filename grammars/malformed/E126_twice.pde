# expect E126 at 6:1
# stage: parse
solver:
    method = pinn

solver:
    seed = 3
