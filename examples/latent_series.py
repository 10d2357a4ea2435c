"""Irregular time series by a latent ODE, with and without a speed regulariser.

    python examples/latent_series.py [--order 3] [--weights 1] [--iterations 60] [--seeds 1]

Damped oscillations of random amplitude, phase and frequency are seen through noise at about half
of 30 times, which differ from series to series. A recurrent network reads a series backwards and
proposes a normal distribution of the initial state of z' = f(z); a network reads the series off
z(t) (Y. Rubanova et al., Latent ordinary differential equations for irregularly-sampled time
series, 2019). Trained on the evidence bound plus a falling weight times R_K (J. Kelly et al.,
Learning differential equations that are easy to solve, 2020, section 5.2), then solved adaptively
on fresh series. What z(t) need not do, the reader can: it is as wide as the dynamics.
"""

import os

os.environ.setdefault("JAX_ENABLE_X64", "1")

import argparse

import jax
import jax.numpy as jnp
import numpy as np
from neural_odes import falling, layers, network, runge_kutta, solved, speed, train

LATENT, MEMORY, NOISE = 12, 24, 0.1
TIMES = np.linspace(0.0, 1.0, 31)
SERIES, BATCH = 400, 50


def generate(count, seed):
    """Values (count, 30) without noise, with it, and where something was seen."""
    random = np.random.default_rng(seed)
    size, phase, rate, decay = (
        random.uniform(*bounds, (count, 1))
        for bounds in ((0.5, 1.5), (0.0, 2 * np.pi), (1.0, 3.0), (0.5, 1.5))
    )
    t = TIMES[1:]
    truth = size * np.exp(-decay * t) * np.sin(2 * np.pi * rate / 4 * t + phase)
    seen = random.uniform(size=truth.shape) < 1 / 2
    return tuple(map(jnp.asarray, (truth, truth + NOISE * random.normal(size=truth.shape), seen)))


def initial_parameters(seed):
    size = 2 + MEMORY
    return {
        "gates": layers([size, 2 * MEMORY], seed),
        "memory": layers([size, MEMORY], seed + 1),
        "start": layers([MEMORY, 2 * LATENT], seed + 2),
        "dynamics": layers([LATENT, 50, LATENT], seed + 3),
        "reader": layers([LATENT, 50, 1], seed + 4),
    }


def encode(parameters, values, seen):
    """Mean and logarithm of the deviation of z(0), by a gated recurrent unit (J. Chung et al.)."""

    def step(memory, entry):
        value, mask, gap = entry
        own = jnp.stack([value, jnp.broadcast_to(gap, value.shape)], axis=1)
        gates = jax.nn.sigmoid(network(parameters["gates"], jnp.concatenate([own, memory], 1)))
        keep, use = jnp.split(gates, 2, axis=1)
        new = jnp.tanh(network(parameters["memory"], jnp.concatenate([own, use * memory], 1)))
        return jnp.where(mask[:, None], keep * memory + (1 - keep) * new, memory), None

    entries = (values.T[::-1], seen.T[::-1], jnp.asarray(TIMES[:0:-1]))
    memory, _ = jax.lax.scan(step, jnp.zeros((len(values), MEMORY)), entries)
    return jnp.split(network(parameters["start"], memory), 2, axis=1)


def dynamics(parameters, t, z):
    return network(parameters["dynamics"], z)


def course(parameters, z, order):
    """The series' values at all times, and R_K."""
    f = lambda t, z: dynamics(parameters, t, z)  # noqa: E731
    states = runge_kutta(f, z, TIMES)
    values = network(parameters["reader"], states[1:])[..., 0].T
    return values, speed(f, order, TIMES, states) if order else 0.0


def bound(parameters, values, seen, noise, order):
    """Minus the evidence bound for each value seen, and R_K."""
    mean, log_deviation = encode(parameters, values, seen)
    found, penalty = course(parameters, mean + jnp.exp(log_deviation) * noise, order)
    misfit = 0.5 * ((found - values) / NOISE) ** 2 + np.log(NOISE * np.sqrt(2 * np.pi))
    distance = 0.5 * (mean**2 + jnp.exp(2 * log_deviation) - 1) - log_deviation
    return (jnp.sum(misfit * seen) + jnp.sum(distance)) / jnp.sum(seen), penalty


def learned(order, weight, iterations, seed):
    _, values, seen = generate(SERIES, 0)

    def loss(parameters, item, data):
        pick, key, own = item
        noise = jax.random.normal(key, (BATCH, LATENT))
        found, penalty = bound(parameters, data[0][pick], data[1][pick], noise, order)
        return found + own * penalty

    random = np.random.default_rng(seed)
    picks = np.stack([random.permutation(SERIES)[:BATCH] for _ in range(iterations)])
    keys = jax.random.split(jax.random.key(seed), iterations)
    items = jnp.asarray(picks), keys, jnp.asarray(falling(weight, iterations))
    return train(loss, initial_parameters(100 * seed), items, (values, seen), 1e-2)


def judged(parameters, seconds):
    """Evaluations by solver and their difference; the loss, mean square error and R_3; seconds."""
    truth, values, seen = generate(400, 1000)
    noise = jax.random.normal(jax.random.key(9), (len(values), LATENT))
    loss, penalty = jax.jit(bound, static_argnums=4)(parameters, values, seen, noise, 3)
    mean, _ = encode(parameters, values, seen)
    error = jnp.mean((course(parameters, mean, 0)[0] - truth) ** 2)
    f = lambda t, z: dynamics(parameters, t, z)  # noqa: E731
    found = [solved(f, mean, method, 1e-6) for method in ("RK23", "RK45", "DOP853")]
    gap = np.abs(found[1][1] - found[2][1]).max()
    return [float(v) for v in (*(n for n, _ in found), gap, loss, error, penalty, seconds)]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--order", type=int, default=3)
    parser.add_argument("--weights", type=float, nargs="+", default=[1.0])
    parser.add_argument("--iterations", type=int, default=60)
    parser.add_argument("--seeds", type=int, default=1)
    options = parser.parse_args()
    first = []
    for weight in [0.0, *options.weights]:
        order = options.order if weight else 0
        runs = [
            judged(*learned(order, weight, options.iterations, seed))
            for seed in range(options.seeds)
        ]
        *counts, gap, loss, error, penalty, seconds = np.mean(runs, axis=0)
        first.append(counts[0])
        name = f"R_{order}, {weight:g}" if order else "plain"
        print(
            f"{name:12s} evaluations {' '.join(f'{n:5.1f}' for n in counts)} (to {gap:.1e})"
            f"   loss {loss:6.3f}   mean square error {error:.1e}   R_3 {penalty:9.3g}"
            f"   {seconds:5.1f} s",
            flush=True,
        )
    print(f"{first[0] / first[-1]:.1f} times fewer evaluations of a solver of order 3")


if __name__ == "__main__":
    main()
