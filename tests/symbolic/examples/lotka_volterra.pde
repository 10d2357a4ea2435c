pdesl 1
domain:
    t ∈ [1900, 1920]

fields:
    hare(t), lynx(t) : scalar

parameters:
    α = unknown(start=0.5, bounds=(0, 3))
    β = unknown(start=0.02, bounds=(0, 1))
    γ = unknown(start=0.8, bounds=(0, 3))
    δ = unknown(start=0.02, bounds=(0, 1))

equations:
    ∂t hare = α hare - β hare lynx
    ∂t lynx = -γ lynx + δ hare lynx

initial:
    hare = unknown(start=30)
    lynx = unknown(start=4)

data:
    obs = load("hudson_bay.csv", t="year")

fit:
    obs.hare ≈ hare ± 3
    obs.lynx ≈ lynx ± 3

solver:
    method = sinode(time=dopri5(rtol=1e-8), gradient="continuous_adjoint")
