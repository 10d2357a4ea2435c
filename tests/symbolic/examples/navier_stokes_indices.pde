pdesl 1
# Navier-Stokes in index notation, Cartesian coordinates
parameters:
    ν = 0.01

domain:
    t ∈ [0, 1]
    x, y ∈ periodic(0, 1)

fields:
    v(t, x, y) : vector
    p(t, x, y) : scalar

equations:
    ∂t v_{i} + v_{j} ∂_j v_{i} = -∂_i p + ν ∂_j ∂_j v_{i}
    ∂_i v_{i} = 0

initial:
    v_{i} = ε_{ij} ∂_j (sin(2 π x) sin(2 π y))
