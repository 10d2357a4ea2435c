# expect E127 at 3:1
# stage: parse
profile:
    solver.order = 3
