pdesl 1
# Kovasznay's flow behind a grid, an exact solution of the steady Navier-Stokes equations.
# Pressure is known but for a constant, which the condition on its integral fixes.
parameters:
    Re = 40
    λ = Re/2 - sqrt(Re²/4 + 4 π²)

domain:
    x ∈ [-0.5, 1]
    y ∈ [-0.5, 0.5]

fields:
    v(x, y) : vector
    p(x, y) : scalar

equations:
    (v·∇)v + ∇p = ∇²v / Re
    ∇·v = 0

boundary:
    v = exact(v)    on ∂Ω
    ∫(p) = ∫(exact(p))

verify:
    v = [1 - exp(λ x) cos(2 π y), λ exp(λ x) sin(2 π y)/(2 π)]
    p = (1 - exp(2 λ x))/2
    relative_l2(v) ≤ 5e-4
    relative_l2(p) ≤ 5e-3

solver:
    method = rbf_fd(nodes=2000)
