# expect E427 at 7:9
# stage: check
domain:
    A = disk(radius=1)
    B = union(A, A, A, A)
    C = union(B, B, B, B)
    Ω = union(C, C, C, C)
    x, y ∈ Ω

fields:
    u(x, y) : scalar

equations:
    ∇²u = x

boundary:
    u = 0    on ∂Ω
