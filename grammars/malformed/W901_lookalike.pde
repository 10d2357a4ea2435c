# expect W901 at 5:5
# expect W901 at 6:11
# stage: parse
parameters:
    µ = 2
    κ = 3 ⋅ µ
