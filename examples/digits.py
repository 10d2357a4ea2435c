"""Handwritten digits classified by a neural ODE, with and without a speed regulariser.

    python examples/digits.py [--orders 0 3] [--weights 3e-2] [--epochs 10] [--seeds 1]

The image (8 x 8 pixels of scikit-learn's digits) is the initial state of z' = f(t, z), a tanh
network 65-100-64; a linear layer reads z(1). Trained on cross-entropy plus a falling weight times
R_K by classical Runge-Kutta steps; 1,437 images to train, 360 to test. Then the evaluations of f
that adaptive solvers of orders 3, 5 and 8 take, all images of the test as one system (J. Kelly et
al., Learning differential equations that are easy to solve, 2020, section 5.1 and figure 3).
`benchmarks/taylor/orders_and_solvers.py` compares the orders of regularisers and solvers.
"""

import argparse

import jax
import jax.numpy as jnp
import numpy as np
import optax
from neural_odes import (
    falling,
    layers,
    network,
    runge_kutta,
    shifted_grid,
    solved,
    speed,
    train,
    with_time,
)
from sklearn.datasets import load_digits

WIDTH, STEPS, BATCH, KIND = 100, 8, 128, np.float32
#: Solvers of orders 3, 5 and 8, and their tolerances.
SOLVERS = (("RK23", 1e-5), ("RK45", 1e-5), ("DOP853", 1e-5))


def load(seed):
    """Images and labels to train, images and labels to test; split at random."""
    images, labels = load_digits(return_X_y=True)
    images = np.asarray(images, KIND) / 16.0
    order = np.random.default_rng(seed).permutation(len(labels))
    return [jnp.asarray(a[part]) for part in (order[:1437], order[1437:]) for a in (images, labels)]


def dynamics(parameters, t, z):
    return network(parameters["inner"], with_time(t, z))


def integrate(parameters, images, times, orders=()):
    """z(1), and R_K for every order K."""
    f = lambda t, z: dynamics(parameters, t, z)  # noqa: E731
    states = runge_kutta(f, images, times)
    return states[-1], [speed(f, order, times, states) for order in orders]


def entropy(parameters, last, labels):
    scores = network(parameters["head"], last)
    return jnp.mean(optax.softmax_cross_entropy_with_integer_labels(scores, labels)), scores


def learned(images, labels, order, weight, epochs, seed):
    def loss(parameters, item, data):
        pick, own, share = item
        times = shifted_grid(STEPS, share)
        last, penalties = integrate(parameters, data[0][pick], times, (order,) if order else ())
        return entropy(parameters, last, data[1][pick])[0] + own * sum(penalties)

    random, batches = np.random.default_rng(seed + 1), len(labels) // BATCH
    picks = [random.permutation(len(labels))[: batches * BATCH] for _ in range(epochs)]
    count = batches * epochs
    items = (
        jnp.asarray(np.reshape(picks, (count, BATCH))),
        jnp.asarray(falling(weight, count, 2.0), KIND),
        jnp.asarray(random.uniform(0.02, 0.98, count), KIND),
    )
    start = {
        "inner": layers([65, WIDTH, 64], seed, KIND),
        "head": layers([64, 10], seed + 100, KIND),
    }
    return train(loss, start, items, (images, labels), 3e-3)


def judged(parameters, data, solvers=SOLVERS, orders=()):
    """Evaluations by solver; the accuracy, loss and training loss; R_K; the solvers' difference."""
    train_images, train_labels, images, labels = data
    f = lambda t, z: dynamics(parameters, t, z)  # noqa: E731
    found = [solved(f, images, solver, tolerance) for solver, tolerance in solvers]
    loss, scores = entropy(parameters, jnp.asarray(found[-1][1], KIND), labels)
    accuracy = 100 * np.mean(np.argmax(scores, axis=1) == labels)
    times = jnp.linspace(0.0, 1.0, 2 * STEPS + 1, dtype=KIND)
    course = jax.jit(integrate, static_argnums=3)
    seen = entropy(parameters, course(parameters, train_images, times)[0], train_labels)[0]
    penalties = course(parameters, images, times, tuple(orders))[1]
    gap = np.abs(found[-2][1] - found[-1][1]).max()
    return [n for n, _ in found], [accuracy, float(loss), float(seen)], list(penalties), gap


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, nargs="+", default=[0, 3])
    parser.add_argument("--weights", type=float, nargs="+", default=[3e-2])
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=1)
    options = parser.parse_args()
    first = []
    for order in options.orders:
        for weight in options.weights if order else [0.0]:
            rows = []
            for seed in range(options.seeds):
                data = load(seed)
                given = order, weight, options.epochs, 1 + 10 * seed
                found, seconds = learned(data[0], data[1], *given)
                counts, losses, _, gap = judged(found, data)
                rows.append([*counts, gap, *losses, seconds])
            *counts, gap, accuracy, loss, seen, seconds = np.mean(rows, axis=0)
            first.append(counts[0])
            name = f"R_{order}, {weight:g}" if order else "plain"
            print(
                f"{name:13s} evaluations {' '.join(f'{n:5.1f}' for n in counts)} (to {gap:.1e})"
                f"   test {accuracy:5.1f} %   loss {loss:.4f}   training loss {seen:.1e}"
                f"   {seconds:5.1f} s",
                flush=True,
            )
    print(f"{first[0] / first[-1]:.1f} times fewer evaluations of a solver of order 3")


if __name__ == "__main__":
    main()
