pdesl 1
# An L-shaped room with a heated wall
domain:
    room = polygon([(0, 0), (2, 0), (2, 1), (1, 1), (1, 2), (0, 2)])
    x, y ∈ room

fields:
    T(x, y) : scalar

equations:
    ∇²T = 0

boundary:
    T = 1       on edge1
    T = 0       on edge4
    ∂n T = 0    on edge2, edge3, edge5, edge6
