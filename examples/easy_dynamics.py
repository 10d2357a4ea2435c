"""Dynamics that learn a map and stay easy to solve: a speed regulariser at work.

A neural ODE z' = f(t, z) on 0 <= t <= 1 is trained to map z to z + z^3 (J. Kelly et al., Learning
differential equations that are easy to solve, 2020, figure 1), once as it is and once with the
term lambda R_3, R_3 = mean over samples of the integral of |d^3 z/dt^3|^2. Both learn the map; the
second takes fewer evaluations of f by an adaptive solver of the order that R_3 is about.
"""

import os

os.environ["JAX_ENABLE_X64"] = "1"

import jax
import jax.numpy as jnp
import numpy as np
import optax
from scipy.integrate import solve_ivp

from pdesl import taylor

WIDTH, SAMPLES, STEPS, ITERATIONS = 32, 48, 10, 1200


def dynamics(parameters, t, z):
    """f(t, z) for samples z of shape (n,): tanh network of (z, t)."""
    w, v, b, u, c, last = parameters
    hidden = jnp.tanh(z[:, None] * w + t * v + b)
    return jnp.tanh(hidden @ u + c) @ last


def initial_parameters():
    random = np.random.default_rng(1)
    shapes = [(WIDTH,), (WIDTH,), (WIDTH,), (WIDTH, WIDTH), (WIDTH,), (WIDTH,)]
    scales = [2.0, 6.0, 1.0, 3.0 / WIDTH**0.5, 0.5, 1.0 / WIDTH**0.5]
    pairs = zip(scales, shapes, strict=True)
    return tuple(jnp.asarray(scale * random.normal(size=shape)) for scale, shape in pairs)


def integrate(parameters, z, regularised):
    """z(1), and the integral of R_3 beside it, by classical Runge-Kutta steps."""
    f = lambda t, z: dynamics(parameters, t, z)  # noqa: E731
    penalties = {"R3": taylor.speed_regulariser(f, 3)} if regularised else {}
    augmented, initial = taylor.with_integrals(f, penalties)
    h = 1.0 / STEPS

    def step(state, t):
        move = lambda h, slope: jax.tree.map(lambda a, b: a + h * b, state, slope)  # noqa: E731
        k1 = augmented(t, state)
        k2 = augmented(t + h / 2, move(h / 2, k1))
        k3 = augmented(t + h / 2, move(h / 2, k2))
        k4 = augmented(t + h, move(h, k3))
        slope = jax.tree.map(lambda a, b, c, d: (a + 2 * b + 2 * c + d) / 6, k1, k2, k3, k4)
        return move(h, slope), None

    (last, integrals), _ = jax.lax.scan(step, initial(z), h * jnp.arange(STEPS))
    return last, integrals.get("R3", jnp.zeros(()))


def train(weight):
    z = jnp.linspace(-1.0, 1.0, SAMPLES)
    optimiser = optax.adam(optax.cosine_decay_schedule(2e-2, ITERATIONS))

    def loss(parameters):
        last, penalty = integrate(parameters, z, weight > 0.0)
        return jnp.mean((last - z - z**3) ** 2) + weight * penalty / SAMPLES

    def iteration(carry, _):
        parameters, state = carry
        gradient = jax.grad(loss)(parameters)
        updates, state = optimiser.update(gradient, state)
        return (optax.apply_updates(parameters, updates), state), None

    @jax.jit
    def run(parameters):
        carry = (parameters, optimiser.init(parameters))
        return jax.lax.scan(iteration, carry, None, length=ITERATIONS)[0][0]

    return run(initial_parameters())


def report(name, parameters):
    z = np.linspace(-0.95, 0.95, 40)
    f = jax.jit(lambda t, z: dynamics(parameters, t, z))
    solution = solve_ivp(
        lambda t, z: np.asarray(f(t, z)), (0.0, 1.0), z, method="RK23", rtol=1e-6, atol=1e-6
    )
    error = np.mean((solution.y[:, -1] - z - z**3) ** 2)
    _, penalty = integrate(parameters, jnp.asarray(z), True)
    print(
        f"{name:12s} evaluations {solution.nfev:4d}   mean square error {error:.1e}"
        f"   R_3 {float(penalty) / len(z):9.3f}"
    )
    return solution.nfev


if __name__ == "__main__":
    plain = report("plain", train(0.0))
    easy = report("with R_3", train(4e-5))
    print(f"{plain / easy:.1f} times fewer evaluations")
