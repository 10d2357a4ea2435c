pdesl 1
# Classes of a graph's nodes by diffusion with learned attention (GRAND, equation 19 of H. Zhang, Y.
# Liu and R. Maulik, "Semi-implicit neural ordinary differential equations", 2024): a network of
# the features is the start, attention mixes neighbours explicitly, what leaves a node is implicit.
# The graph is a stochastic block model in the place of a citation graph: four classes, noisy
# features, the classes of an eighth of the nodes known. The largest p at the end is the class
domain:
    i ∈ graph("graph_diffusion.h5")
    t ∈ [0, 4]

parameters:
    α = unknown(start=1, bounds=(0.1, 10))

fields:
    p1(t, i), p2(t, i), p3(t, i), p4(t, i) : scalar

closure:
    features = load("graph_diffusion.h5", columns=16)
    E1 = mlp(features, hidden=8)
    E2 = mlp(features, hidden=8)
    E3 = mlp(features, hidden=8)
    E4 = mlp(features, hidden=8)
    A1 = attention(p1, p2, p3, p4)
    A2 = attention(p2, p1, p3, p4)
    A3 = attention(p3, p1, p2, p4)
    A4 = attention(p4, p1, p2, p3)

equations:
    ∂t p1 = nonstiff(α A1) + stiff(-α p1)
    ∂t p2 = nonstiff(α A2) + stiff(-α p2)
    ∂t p3 = nonstiff(α A3) + stiff(-α p3)
    ∂t p4 = nonstiff(α A4) + stiff(-α p4)

initial:
    p1 = E1
    p2 = E2
    p3 = E3
    p4 = E4

data:
    known = load("graph_diffusion.h5")

fit:
    known.y1 ≈ p1
    known.y2 ≈ p2
    known.y3 ≈ p3
    known.y4 ≈ p4
    optimizer = adamw(rate=0.02, decay=0.01, epochs=60)

solver:
    method = sinode(time=imex_rk2(dt=1))
