# expect E107 at 6:18
# expect E107 at 7:14
# expect E107 at 8:5
# stage: parse
output:
    at end: u -> result.h5
    at end u -> "u.h5"
    every 0.1
