# expect E110 at 4:37
# stage: parse
domain:
    Ω = disk(center=(0, 0), 2 radius=1)
