# expect E113 at 4:17
# stage: parse
data:
    runs = load("runs.h5)
