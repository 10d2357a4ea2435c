# expect E638 at 17:5
# stage: check
domain:
    x ∈ [0, 1]
    t ∈ [0, 1]

fields:
    u(t, x) : scalar

equations:
    ∂t u = ∂x²u

boundary:
    u = 0    on ∂Ω

initial:
    u = sin(2 π x)

solver:
    method = neural_ivp(ansatz="exponential")
