pdesl 1
# The Lotka-Volterra equations of predators and prey: four rates and the start, discovered from
# noisy numbers of both, with their standard errors. The data are generated with the rates 0.55,
# 0.028, 0.84 and 0.026 and noise of 5 % of the mean population
domain:
    t ∈ [1900, 1921]

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
    hare = unknown(start=25)
    lynx = unknown(start=6)

data:
    obs = load("lotka_volterra.csv", t="year")

fit:
    obs.hare ≈ hare ± 1.6
    obs.lynx ≈ lynx ± 0.97

solver:
    method = sinode(time=rk4(rtol=1e-7))
