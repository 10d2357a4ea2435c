# expect E163 at 4:24
# stage: parse
domain:
    Ω = disk(radius=1, (0, 0))
