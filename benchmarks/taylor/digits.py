"""Classification of scikit-learn's digits by a neural ODE, with and without speed regularisers.

    python benchmarks/taylor/digits.py [--orders 0 2 3 4] [--factors 1 10] [--epochs 40]

The image (64 pixels) is the initial state of z' = f(t, z), a tanh network 65-100-64; a linear layer
reads z(1). Trained by Adam on cross-entropy plus λ R_K (mean over samples) with 8 classical
Runge-Kutta steps and the regulariser integrated beside the state; 1,437 images to train, 360 to
test. Evaluations of f are counted with adaptive SciPy solvers of orders 3, 5 and 8 at a tolerance
of 1e-5, the test images as one system (J. Kelly et al., 2020, figures 3, 6 and 7). It needs
scikit-learn (`pip install "pdesl[examples]"`).
"""

from __future__ import annotations

import os

os.environ.setdefault("JAX_PLATFORMS", "cpu")

import argparse
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from scipy.integrate import solve_ivp

from pdesl import taylor

WIDTH, STEPS, BATCH = 100, 8, 128
# Weights λ by order K: the higher derivatives of the plain network are larger.
WEIGHTS = {1: 1e-4, 2: 1e-4, 3: 1e-5, 4: 1e-6, 5: 1e-7}


def load() -> tuple[Any, Any, Any, Any]:
    from sklearn.datasets import load_digits  # pyright: ignore[reportMissingImports]

    digits: Any = load_digits()
    images, labels = digits.data.astype(np.float32) / 16.0, digits.target
    order = np.random.default_rng(0).permutation(len(labels))
    train, test = order[:1437], order[1437:]
    return images[train], labels[train], images[test], labels[test]


def initial_parameters() -> dict[str, Any]:
    random = np.random.default_rng(1)

    def layer(m: int, n: int) -> tuple[Any, Any]:
        weight = random.normal(0.0, m**-0.5, (m, n)).astype(np.float32)
        return jnp.asarray(weight), jnp.zeros(n, jnp.float32)

    return {"inner": layer(65, WIDTH), "outer": layer(WIDTH, 64), "head": layer(64, 10)}


def dynamics(parameters: Any, t: Any, z: Any) -> Any:
    weight, bias = parameters["inner"]
    hidden = jnp.tanh(z @ weight[:64] + t * weight[64] + bias)
    weight, bias = parameters["outer"]
    return hidden @ weight + bias


def integrate(parameters: Any, images: Any, order: int) -> tuple[Any, Any]:
    """z(1), and R_K as the mean over the images."""
    f = lambda t, z: dynamics(parameters, t, z)  # noqa: E731
    penalties = {"R": taylor.speed_regulariser(f, order)} if order else {}
    augmented, initial = taylor.with_integrals(f, penalties)
    h = 1.0 / STEPS

    def step(state: Any, t: Any) -> tuple[Any, None]:
        def move(h: float, slope: Any) -> Any:
            return jax.tree.map(lambda a, b: a + h * b, state, slope)

        k1 = augmented(t, state)
        k2 = augmented(t + h / 2, move(h / 2, k1))
        k3 = augmented(t + h / 2, move(h / 2, k2))
        k4 = augmented(t + h, move(h, k3))
        slope = jax.tree.map(lambda a, b, c, d: (a + 2 * b + 2 * c + d) / 6, k1, k2, k3, k4)
        return move(h, slope), None

    times = h * jnp.arange(STEPS, dtype=jnp.float32)
    (last, integrals), _ = jax.lax.scan(step, initial(images), times)
    return last, integrals.get("R", jnp.zeros(())) / images.shape[0]


def loss_of(parameters: Any, images: Any, labels: Any, order: int, weight: float) -> Any:
    last, penalty = integrate(parameters, images, order)
    matrix, bias = parameters["head"]
    entropy = optax.softmax_cross_entropy_with_integer_labels(last @ matrix + bias, labels)
    return jnp.mean(entropy) + weight * penalty, jnp.mean(entropy)


def train(data: Any, order: int, weight: float, epochs: int) -> tuple[Any, float]:
    images, labels = (jnp.asarray(a) for a in data[:2])
    batches = len(labels) // BATCH
    optimiser = optax.adam(optax.cosine_decay_schedule(3e-3, epochs * batches))
    random = np.random.default_rng(2)
    picks = np.stack([random.permutation(len(labels))[: batches * BATCH] for _ in range(epochs)])

    def iteration(carry: Any, pick: Any) -> tuple[Any, None]:
        parameters, state, images, labels = carry
        slope = jax.grad(lambda p: loss_of(p, images[pick], labels[pick], order, weight)[0])
        updates, state = optimiser.update(slope(parameters), state)
        return (optax.apply_updates(parameters, updates), state, images, labels), None

    @jax.jit
    def run(carry: Any, picks: Any) -> Any:
        return jax.lax.scan(iteration, carry, picks)[0][0]

    parameters = initial_parameters()
    carry = (parameters, optimiser.init(parameters), images, labels)
    compiled = run.lower(carry, picks.reshape(-1, BATCH)).compile()
    begun = time.process_time()
    found = jax.block_until_ready(compiled(carry, jnp.asarray(picks.reshape(-1, BATCH))))
    return found, time.process_time() - begun


def evaluate(data: Any, parameters: Any) -> str:
    images, labels = (jnp.asarray(a) for a in data[2:])
    f = jax.jit(lambda t, z: dynamics(parameters, t, z.reshape(-1, 64)).reshape(-1))
    counts = []
    for method in ("RK23", "RK45", "DOP853"):
        solution = solve_ivp(
            lambda t, z: np.asarray(f(np.float32(t), jnp.asarray(z, jnp.float32)), float),
            (0.0, 1.0), np.asarray(images, float).ravel(), method=method, rtol=1e-5, atol=1e-5,
        )  # fmt: skip
        counts.append(solution.nfev)
    last = jnp.asarray(solution.y[:, -1].reshape(-1, 64), jnp.float32)
    matrix, bias = parameters["head"]
    accuracy = float(jnp.mean(jnp.argmax(last @ matrix + bias, axis=1) == labels))
    loss = float(loss_of(parameters, jnp.asarray(data[0]), jnp.asarray(data[1]), 0, 0.0)[1])
    penalties = [float(integrate(parameters, images, k)[1]) for k in (2, 3, 4)]
    return (
        f"evaluations {counts[0]:4d} {counts[1]:4d} {counts[2]:4d}   test accuracy"
        f" {100 * accuracy:5.1f} %   training loss {loss:.1e}   R_2 R_3 R_4 "
        + " ".join(f"{p:9.3g}" for p in penalties)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, nargs="+", default=[0, 2, 3, 4])
    parser.add_argument("--factors", type=float, nargs="+", default=[1.0, 10.0, 100.0])
    parser.add_argument("--epochs", type=int, default=40)
    options = parser.parse_args()
    data = load()
    for order in options.orders:
        for factor in options.factors if order else [0.0]:
            weight = factor * WEIGHTS.get(order, 0.0)
            parameters, seconds = train(data, order, weight, options.epochs)
            name = f"R_{order} λ = {weight:g}" if order else "plain"
            print(f"{name:16s} {evaluate(data, parameters)}   {seconds:5.1f} CPU s", flush=True)


if __name__ == "__main__":
    main()
