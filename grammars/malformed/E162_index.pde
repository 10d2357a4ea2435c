# expect E162 at 5:10
# stage: parse
let:
    e = exp(1)
    a = e^{-2}
