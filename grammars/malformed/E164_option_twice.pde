# expect E164 at 4:33
# stage: parse
solver:
    method = dt_pinn(nodes=100, nodes=200)
