pdesl 1
# A pure Neumann problem: the solution is known up to a constant
domain:
    x, y ∈ [0, 1]

fields:
    u(x, y) : scalar

equations:
    ∇²u = -cos(π x) cos(π y)

boundary:
    ∂n u = 0 on ∂Ω
