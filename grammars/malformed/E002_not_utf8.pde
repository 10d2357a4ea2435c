# expect E002 at 4:21
# stage: parse
parameters:
    # Temperatur in über 20 Grad
    T = 20
