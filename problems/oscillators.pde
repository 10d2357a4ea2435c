pdesl 1
# Kuramoto's oscillators on a network (Y. Kuramoto, "Chemical oscillations, waves, and turbulence",
# 1984): each has a frequency of its own and is drawn to the phases of its neighbours, until most of
# them turn together. The state is the cosine and the sine of the phases
domain:
    i ∈ graph("oscillators.csv")
    t ∈ [0, 5]

parameters:
    K = 1

fields:
    c(t, i), s(t, i) : scalar

closure:
    ω = load("oscillator_phases.csv")
    θ = load("oscillator_phases.csv")

let:
    pull = ω + K (c neighbours(s) - s neighbours(c))

equations:
    ∂t c = -s pull
    ∂t s = c pull

initial:
    c = cos(θ)
    s = sin(θ)

solver:
    method = method_of_lines(time=imex_rk4(rtol=1e-6))

verify:
    reference = method_of_lines(time=dirk5(rtol=1e-9))
    relative_l2(c) ≤ 1e-4
    relative_l2(s) ≤ 1e-4

output:
    at end: c, s -> "oscillators.h5"
