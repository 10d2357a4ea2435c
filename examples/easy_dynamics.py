"""Dynamics that learn a map and stay easy to solve: a speed regulariser at work.

    python examples/easy_dynamics.py [--weights 3e-4] [--iterations 1200] [--seeds 1]

A neural ODE z' = f(t, z) on 0 <= t <= 1 is trained to map z to z + z^3 (J. Kelly et al., Learning
differential equations that are easy to solve, 2020, figure 1), once as it is and once with the
term lambda R_3, R_3 = mean over samples of the integral of |d^3 z/dt^3|^2, where lambda falls by
three decades. Both learn the map; the second takes fewer evaluations of f by an adaptive solver of
the order that R_3 is about.
"""

import os

os.environ.setdefault("JAX_ENABLE_X64", "1")

import argparse

import jax
import jax.numpy as jnp
import numpy as np
from neural_odes import falling, runge_kutta, shifted_grid, solved, speed, train

WIDTH, SAMPLES, STEPS = 32, 48, 10


def dynamics(parameters, t, z):
    """f(t, z) for samples z of shape (n,): tanh network of (z, t)."""
    w, v, b, u, c, last = parameters
    hidden = jnp.tanh(z[:, None] * w + t * v + b)
    return jnp.tanh(hidden @ u + c) @ last


def initial_parameters(seed):
    random = np.random.default_rng(seed)
    shapes = [(WIDTH,), (WIDTH,), (WIDTH,), (WIDTH, WIDTH), (WIDTH,), (WIDTH,)]
    scales = [2.0, 6.0, 1.0, 3.0 / WIDTH**0.5, 0.5, 1.0 / WIDTH**0.5]
    pairs = zip(scales, shapes, strict=True)
    return tuple(jnp.asarray(scale * random.normal(size=shape)) for scale, shape in pairs)


def integrate(parameters, z, times, regularised=True):
    """z(1), and R_3."""
    f = lambda t, z: dynamics(parameters, t, z)  # noqa: E731
    states = runge_kutta(f, z, times)
    return states[-1], speed(f, 3, times, states) if regularised else 0.0


def learned(weight, iterations, seed):
    def loss(parameters, item, z):
        own, share = item
        last, penalty = integrate(parameters, z, shifted_grid(STEPS, share), weight > 0.0)
        return jnp.mean((last - z - z**3) ** 2) + own * penalty

    z = jnp.linspace(-1.0, 1.0, SAMPLES)
    shares = np.random.default_rng(seed).uniform(0.02, 0.98, iterations)
    items = jnp.asarray(falling(weight, iterations)), jnp.asarray(shares)
    return train(loss, initial_parameters(seed), items, z, 2e-2)


def judged(parameters, seconds):
    """Evaluations of solvers of order 3 and 5, mean square error, R_3, seconds of training."""
    z = jnp.linspace(-0.95, 0.95, 40)
    f = lambda t, z: dynamics(parameters, t, z)  # noqa: E731
    low, _ = solved(f, z, "RK23", 1e-6)
    high, last = solved(f, z, "RK45", 1e-6)
    _, penalty = jax.jit(integrate)(parameters, z, jnp.linspace(0.0, 1.0, 41))
    error = np.mean((last - np.asarray(z + z**3)) ** 2)
    return [float(low), float(high), float(error), float(penalty), seconds]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=float, nargs="+", default=[3e-4])
    parser.add_argument("--iterations", type=int, default=1200)
    parser.add_argument("--seeds", type=int, default=1)
    options = parser.parse_args()
    counts = []
    for weight in [0.0, *options.weights]:
        runs = [judged(*learned(weight, options.iterations, 1 + k)) for k in range(options.seeds)]
        low, high, error, penalty, seconds = np.mean(runs, axis=0)
        counts.append(low)
        name = f"R_3, {weight:g}" if weight else "plain"
        print(
            f"{name:12s} evaluations {low:6.1f} {high:5.1f}   mean square error {error:.1e}"
            f"   R_3 {penalty:9.3f}   {seconds:4.1f} s",
            flush=True,
        )
    print(f"{counts[0] / counts[-1]:.1f} times fewer evaluations of a solver of order 3")


if __name__ == "__main__":
    main()
