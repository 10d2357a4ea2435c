# expect E148 at 4:9
# stage: parse
let:
    a = sin⁻¹(1/2)
