"""Handwritten digits classified by a neural ODE, with and without a speed regulariser.

    python examples/digits.py [--orders 0 3] [--weights 1e-3] [--epochs 10] [--ramp 0]

The image (8 x 8 pixels of scikit-learn's digits) is the initial state of z' = f(t, z), a tanh
network 65-100-64; a linear layer reads z(1). Trained on cross-entropy plus R_K by classical
Runge-Kutta steps with the regulariser integrated beside the state; 1,437 images to train, 360 to
test. Then the evaluations of f that adaptive solvers of orders 3, 5 and 8 take, all images of the
test as one system (J. Kelly et al., Learning differential equations that are easy to solve, 2020,
figures 3, 6 and 7). `--ramp` is the share of the training in which the weight grows to its size.
"""

import argparse

import jax
import jax.numpy as jnp
import numpy as np
import optax
from neural_odes import layers, network, runge_kutta, solved, train, with_time
from sklearn.datasets import load_digits

from pdesl import taylor

WIDTH, STEPS, BATCH, KIND = 100, 8, 128, np.float32
TOLERANCES = {"RK23": 1e-5, "RK45": 1e-5, "DOP853": 1e-5}


def load():
    images, labels = load_digits(return_X_y=True)
    images = np.asarray(images, KIND) / 16.0
    order = np.random.default_rng(0).permutation(len(labels))
    return [jnp.asarray(a[part]) for part in (order[:1437], order[1437:]) for a in (images, labels)]


def dynamics(parameters, t, z):
    return network(parameters["inner"], with_time(t, z))


def integrate(parameters, images, order):
    """z(1), and R_K as the mean over the images."""
    f = lambda t, z: dynamics(parameters, t, z)  # noqa: E731
    penalties = {"R": taylor.speed_regulariser(f, order)} if order else {}
    augmented, initial = taylor.with_integrals(f, penalties)
    times = np.linspace(0.0, 1.0, STEPS + 1).astype(KIND)
    states, integrals = runge_kutta(augmented, initial(images), times)
    return states[-1], integrals["R"][-1] / len(images) if order else 0.0


def entropy(parameters, last, labels):
    scores = network(parameters["head"], last)
    return jnp.mean(optax.softmax_cross_entropy_with_integer_labels(scores, labels)), scores


def learned(images, labels, order, weight, epochs, ramp, seed):
    def loss(parameters, item, data):
        pick, own = item
        last, penalty = integrate(parameters, data[0][pick], order)
        return entropy(parameters, last, data[1][pick])[0] + own * penalty

    random, batches = np.random.default_rng(seed + 1), len(labels) // BATCH
    picks = [random.permutation(len(labels))[: batches * BATCH] for _ in range(epochs)]
    count = batches * epochs
    growth = np.minimum(1.0, (1 + np.arange(count)) / max(ramp * count, 1.0))
    items = jnp.asarray(np.reshape(picks, (count, BATCH))), jnp.asarray(weight * growth, KIND)
    start = {
        "inner": layers([65, WIDTH, 64], seed, KIND),
        "head": layers([64, 10], seed + 10, KIND),
    }
    return train(loss, start, items, (images, labels), 3e-3)


def report(name, parameters, data, seconds):
    train_images, train_labels, images, labels = data
    f = lambda t, z: dynamics(parameters, t, z)  # noqa: E731
    found = [solved(f, images, method, tol) for method, tol in TOLERANCES.items()]
    loss, scores = entropy(parameters, jnp.asarray(found[-1][1], KIND), labels)
    accuracy = np.mean(np.argmax(scores, axis=1) == labels)
    seen = entropy(parameters, jax.jit(integrate, static_argnums=2)(parameters, train_images, 0)[0],
                   train_labels)[0]  # fmt: skip
    counts = " ".join(f"{count:4d}" for count, _ in found)
    gap = np.abs(found[1][1] - found[2][1]).max()
    print(
        f"{name:18s} evaluations {counts} (to {gap:.1e})   test {100 * accuracy:5.1f} %"
        f"   loss {loss:.3f}   training loss {seen:.1e}   {seconds:5.1f} s",
        flush=True,
    )
    return [count for count, _ in found]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, nargs="+", default=[0, 3])
    parser.add_argument("--weights", type=float, nargs="+", default=[1e-3])
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--ramp", type=float, default=0.0)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    data = load()
    counts = {}
    for order in options.orders:
        for weight in options.weights if order else [0.0]:
            name = f"R_{order}, weight {weight:g}" if order else "plain"
            given = order, weight, options.epochs, options.ramp, options.seed
            found, seconds = learned(data[0], data[1], *given)
            counts[name] = report(name, found, data, seconds)
    found = [own[0] for own in counts.values()]
    print(f"{found[0] / found[-1]:.1f} times fewer evaluations of a solver of order 3")


if __name__ == "__main__":
    main()
