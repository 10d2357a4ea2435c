"""Density estimation in two dimensions by a continuous normalising flow, with K, B and R_K.

    python examples/density.py [--iterations 60] [--runs plain hutchinson "K + B" R_2 R_3]

z' = f(t, z), a tanh network 3-48-48-2, carries data of a noisy spiral to a normal density;
d log p/dt = -tr of the Jacobian of f, exact or by one Hutchinson probe a batch. Trained plain, with
Finlay's K + B, and with R_2, R_3 (J. Kelly et al., Learning differential equations that are easy to
solve, 2020, section 5.3 and table 2, at this scale).
Judged with the exact trace by adaptive SciPy solvers: negative log-likelihood in nats on fresh
data, evaluations of f at orders 3 and 5, and the integrals K, B, R_2 of a sample.
"""

import os

os.environ.setdefault("JAX_ENABLE_X64", "1")

import argparse

import jax
import jax.numpy as jnp
import numpy as np
from neural_odes import layers, network, runge_kutta, solved, train, with_time

from pdesl import taylor

WIDTH, STEPS, BATCH = 48, 8, 128
TIMES = np.linspace(0.0, 1.0, STEPS + 1)
#: name: (exact trace, weights by regulariser)
RUNS = {
    "plain": (True, {}),
    "hutchinson": (False, {}),
    "K + B": (True, {"K": 1e-2, "B": 1e-2}),
    "R_2": (True, {"R2": 1e-2}),
    "R_3": (True, {"R3": 1e-3}),
}


def spiral(count, seed):
    random = np.random.default_rng(seed)
    angle = 3.0 * np.pi * np.sqrt(random.uniform(size=count))
    arm = np.where(random.uniform(size=count) < 0.5, 1.0, -1.0) * angle / 5.0
    points = np.stack([arm * np.cos(angle), arm * np.sin(angle)], axis=1)
    return points + 0.1 * random.normal(size=(count, 2))


def dynamics(parameters, t, z):
    return network(parameters, with_time(t, z))


def traces(f, t, z, probe):
    """The trace of the Jacobian of every sample, or its estimate by a probe."""
    along = lambda v: jax.jvp(lambda z: f(t, z), (z,), (v,))[1]  # noqa: E731
    if probe is not None:
        return jnp.sum(along(probe) * probe, axis=1)
    return sum(along(jnp.broadcast_to(e, z.shape)) @ e for e in jnp.eye(2))


def flow(parameters, data, names, probe, times=TIMES):
    """z(1), minus the change of log p, and the mean of every regulariser."""
    f = lambda t, z: dynamics(parameters, t, z)  # noqa: E731
    table = {
        "K": taylor.kinetic_penalty(f),
        "B": taylor.jacobian_penalty(f, batched=True),
        "R2": taylor.speed_regulariser(f, 2),
        "R3": taylor.speed_regulariser(f, 3),
    }

    def right(t, state):
        z, _, _ = state
        rates = {name: table[name](t, z) / len(z) for name in names}
        return f(t, z), traces(f, t, z, probe), rates

    state = (data, jnp.zeros(len(data)), dict.fromkeys(names, jnp.zeros(())))
    return jax.tree.map(lambda leaf: leaf[-1], runge_kutta(right, state, times))


def nats(z, change):
    return jnp.mean(0.5 * jnp.sum(z**2, axis=1) + jnp.log(2 * jnp.pi) - change)


def learned(exact, weights, iterations):
    def loss(parameters, item, _):
        data, key = item
        probe = None if exact else jax.random.rademacher(key, data.shape, data.dtype)
        z, change, integrals = flow(parameters, data, list(weights), probe)
        return nats(z, change) + sum(weights[name] * integrals[name] for name in weights)

    batches = jnp.asarray(spiral(iterations * BATCH, 2).reshape(iterations, BATCH, 2))
    items = batches, jax.random.split(jax.random.key(0), iterations)
    return train(loss, layers([3, WIDTH, WIDTH, 2], 1), items, (), 5e-3)


def report(name, parameters, seconds):
    data = jnp.asarray(spiral(512, 3))
    f = lambda t, z: dynamics(parameters, t, z)  # noqa: E731
    counts = [solved(f, data, method, 1e-5)[0] for method in ("RK23", "RK45")]
    own, half = (
        jax.jit(lambda p, x, n=n: flow(p, x, ("K", "B", "R2"), None, np.linspace(0, 1, n + 1)))(
            parameters, data
        )
        for n in (60, 30)
    )
    loss, integrals = float(nats(*own[:2])), own[2]
    print(
        f"{name:12s} {loss:6.3f} nats (to {abs(loss - nats(*half[:2])):.1e})   evaluations "
        f"{counts[0]:4d} {counts[1]:4d}   K {integrals['K']:6.2f}  B {integrals['B']:7.1f}"
        f"  R_2 {integrals['R2']:8.1f}   {seconds:5.1f} s",
        flush=True,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--iterations", type=int, default=60)
    parser.add_argument("--runs", nargs="+", default=["plain", "R_2"])
    options = parser.parse_args()
    for name in options.runs:
        exact, weights = RUNS[name]
        report(name, *learned(exact, weights, options.iterations))


if __name__ == "__main__":
    main()
