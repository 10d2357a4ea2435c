# expect E128 at 4:8
# expect E128 at 7:9
# stage: parse
solver "fast":
    seed = 3

profile quick:
    solver.order = 3
