"""Dynamics that learn a map and stay easy to solve: a speed regulariser at work.

A neural ODE z' = f(t, z) on 0 <= t <= 1 is trained to map z to z + z^3 (J. Kelly et al., Learning
differential equations that are easy to solve, 2020, figure 1), once as it is and once with the
term lambda R_3, R_3 = mean over samples of the integral of |d^3 z/dt^3|^2. Both learn the map; the
second takes fewer evaluations of f by an adaptive solver of the order that R_3 is about.
"""

import os

os.environ.setdefault("JAX_ENABLE_X64", "1")

import jax
import jax.numpy as jnp
import numpy as np
from neural_odes import runge_kutta, solved, train

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
    """z(1), and R_3 as the mean over samples."""
    f = lambda t, z: dynamics(parameters, t, z)  # noqa: E731
    penalties = {"R3": taylor.speed_regulariser(f, 3)} if regularised else {}
    augmented, initial = taylor.with_integrals(f, penalties)
    states, integrals = runge_kutta(augmented, initial(z), np.linspace(0.0, 1.0, STEPS + 1))
    return states[-1], integrals["R3"][-1] / len(z) if regularised else 0.0


def learned(weight):
    def loss(parameters, _, z):
        last, penalty = integrate(parameters, z, weight > 0.0)
        return jnp.mean((last - z - z**3) ** 2) + weight * penalty

    z = jnp.linspace(-1.0, 1.0, SAMPLES)
    return train(loss, initial_parameters(), jnp.arange(ITERATIONS), z, 2e-2)


def report(name, parameters, seconds):
    z = jnp.linspace(-0.95, 0.95, 40)
    f = lambda t, z: dynamics(parameters, t, z)  # noqa: E731
    count, last = solved(f, z, "RK23", 1e-6)
    _, penalty = jax.jit(integrate, static_argnums=2)(parameters, z, True)
    error = np.mean((last - z - z**3) ** 2)
    print(
        f"{name:12s} evaluations {count:4d}   mean square error {error:.1e}"
        f"   R_3 {penalty:9.3f}   {seconds:4.1f} s"
    )
    return count


if __name__ == "__main__":
    plain = report("plain", *learned(0.0))
    easy = report("with R_3", *learned(4e-5))
    print(f"{plain / easy:.1f} times fewer evaluations")
