# expect E111 at 4:13
# stage: parse
domain:
    Ω = disk(center=(0, 0), radius=1
    x, y ∈ Ω
