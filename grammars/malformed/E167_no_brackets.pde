# expect E167 at 4:11
# stage: parse
let:
    a = 2 sin x
