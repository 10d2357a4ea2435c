pdesl 1
# A soliton of the Korteweg–de Vries equation
parameters:
    c = 1.5

domain:
    x ∈ periodic(-20, 20)
    t ∈ [0, 2]

fields:
    η(t, x) : scalar

equations:
    ∂t η + 6 η ∂x η + ∂x³η = 0

initial:
    η = (c/2) sech(sqrt(c) x/2)^2
