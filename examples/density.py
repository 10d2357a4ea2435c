"""Density estimation in two dimensions by a continuous normalising flow, with K, B and R_K.

    python examples/density.py [--iterations 60] [--runs none K B "K + B" R_2 R_3]
        [--traces exact hutchinson]

z' = f(t, z), a tanh network 3-48-48-2, carries data of a noisy spiral to a normal density;
d log p/dt = -tr of the Jacobian of f, exact or by one Hutchinson probe a batch (which then serves
B, too). Trained without a regulariser, with Finlay's K, B, and both, and with R_2, R_3 (J. Kelly et
al., Learning differential equations that are easy to solve, 2020, section 5.3).
Judged with the exact trace by adaptive SciPy solvers: negative log-likelihood in nats on fresh
data, evaluations of f at orders 3 and 5, and the integrals K, B, R_2 of a sample.
`benchmarks/taylor/densities.py` makes the comparison of table 2 at this scale, with a picture.
"""

import os

os.environ.setdefault("JAX_ENABLE_X64", "1")

import argparse

import jax
import jax.numpy as jnp
import numpy as np
from neural_odes import (
    layers,
    network,
    penalty,
    runge_kutta,
    shifted_grid,
    solved,
    train,
    with_time,
)

from pdesl import taylor

WIDTH, STEPS, BATCH = 48, 8, 128
#: The weights of every run, by regulariser.
RUNS = {
    "none": {},
    "K": {"K": 1e-2},
    "B": {"B": 1e-2},
    "K + B": {"K": 1e-2, "B": 1e-2},
    "R_2": {"R2": 1e-2},
    "R_3": {"R3": 1e-3},
}
TRACES = ("exact", "hutchinson")


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


def flow(parameters, data, names, probe, times):
    """z(1), minus the change of log p, and the mean of every regulariser."""
    f = lambda t, z: dynamics(parameters, t, z)  # noqa: E731
    table = {
        "K": taylor.kinetic_penalty(f),
        "B": taylor.jacobian_penalty(f, probe, batched=True),
        "R2": taylor.speed_regulariser(f, 2),
        "R3": taylor.speed_regulariser(f, 3),
    }

    def right(t, state):
        return f(t, state[0]), traces(f, t, state[0], probe)

    places, changes = runge_kutta(right, (data, jnp.zeros(len(data))), times)
    integrals = {name: penalty(table[name], times, places) for name in names}
    return places[-1], changes[-1], integrals


def nats(z, change):
    """Minus log p of every sample."""
    return 0.5 * jnp.sum(z**2, axis=1) + jnp.log(2 * jnp.pi) - change


def learned(name, trace, iterations):
    weights = RUNS[name]

    def loss(parameters, item, _):
        data, key, share = item
        probe = jax.random.rademacher(key, data.shape, data.dtype) if trace != "exact" else None
        z, change, found = flow(parameters, data, weights, probe, shifted_grid(STEPS, share))
        return jnp.mean(nats(z, change)) + sum(weights[name] * found[name] for name in weights)

    batches = jnp.asarray(spiral(iterations * BATCH, 2).reshape(iterations, BATCH, 2))
    shares = jnp.asarray(np.random.default_rng(4).uniform(0.02, 0.98, iterations))
    items = batches, jax.random.split(jax.random.key(0), iterations), shares
    return train(loss, layers([3, WIDTH, WIDTH, 2], 1), items, (), 5e-3)


def judged(parameters):
    """Nats and their error, evaluations at orders 3 and 5, and K, B, R_2."""
    data = jnp.asarray(spiral(512, 3))
    f = lambda t, z: dynamics(parameters, t, z)  # noqa: E731
    counts = [solved(f, data, method, 1e-5)[0] for method in ("RK23", "RK45")]
    own, half = (
        jax.jit(lambda p, x, n=n: flow(p, x, ("K", "B", "R2"), None, jnp.linspace(0, 1, n + 1)))(
            parameters, data
        )
        for n in (60, 30)
    )
    loss = float(jnp.mean(nats(*own[:2])))
    error = abs(loss - float(jnp.mean(nats(*half[:2]))))
    return loss, error, counts, [float(own[2][name]) for name in ("K", "B", "R2")]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--iterations", type=int, default=60)
    parser.add_argument("--runs", nargs="+", default=["none", "R_2"], choices=RUNS)
    parser.add_argument("--traces", nargs="+", default=["exact"], choices=TRACES)
    options = parser.parse_args()
    for trace in options.traces:
        for name in options.runs:
            found, seconds = learned(name, trace, options.iterations)
            loss, error, counts, (kinetic, jacobian, bend) = judged(found)
            print(
                f"{name:6s} {trace:10s} {loss:6.3f} nats (to {error:.1e})   evaluations "
                f"{counts[0]:4d} {counts[1]:4d}   K {kinetic:6.2f}  B {jacobian:7.1f}"
                f"  R_2 {bend:8.1f}   {seconds:5.1f} s",
                flush=True,
            )


if __name__ == "__main__":
    main()
