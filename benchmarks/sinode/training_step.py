"""Milliseconds of a training step of semi-implicit neural ODEs, and the memory of long rollouts.

    python benchmarks/sinode/training_step.py [--only ks64|ks512|burgers512|burgers1024|rollout]
        [--gradient discrete_adjoint|backpropagation]

The networks, batches and steps are those of H. Zhang, Y. Liu and R. Maulik, 2024 (sections 5.2
and 5.3): Kuramoto-Sivashinsky on 64 and 512 points, one step of 0.2 for a batch of 256; Burgers on
512 and 1,024 points, two steps of 0.05 for a batch of 32. A training step is the loss, its
gradient and an update of AdamW, on one thread; least processor time of the repetitions. Then one
gradient through 200 steps, by every way to it.
"""

from __future__ import annotations

import os

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault(
    "XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
)

import argparse
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

from pdesl.lowering.products import product
from pdesl.solvers.implicit_operators import FourierOperator, ImplicitOperator, stencil_operator
from pdesl.solvers.rollout import count_evaluations, prefactored, rollout

jax.config.update("jax_enable_x64", True)

# Batches of an epoch: arrays of the optimiser are made once for all of them, as in a fit.
BATCHES = 4
PAIRS = ("imex_rk2", "imex_rk3", "imex_rk4", "imex_rk5")
LENGTH = 22.0
VISCOSITY = 8e-4

Weights = list[tuple[Array, Array]]


def kuramoto(points: int) -> FourierOperator:
    """−∂x² − ∂x⁴ by the five-point stencil of section 5.2."""
    h = LENGTH / points
    far, near = -1 / h**4, 4 / h**4 - 1 / h**2
    offsets = ((-2,), (-1,), (0,), (1,), (2,))
    return stencil_operator(offsets, [far, near, -6 / h**4 + 2 / h**2, near, far], (points,))


def burgers(points: int) -> FourierOperator:
    """ν ∂x² by three points."""
    scale = VISCOSITY * points**2
    return stencil_operator(((-1,), (0,), (1,)), [scale, -2 * scale, scale], (points,))


def network(points: int, hidden: int, size: float, kind: Any) -> Weights:
    """A multilayer perceptron with four hidden layers."""
    rng = np.random.default_rng(0)
    sizes = [points, *[hidden] * 4, points]
    return [
        (jnp.asarray(size * rng.normal(size=(m, n)), kind), jnp.zeros(n, kind))
        for m, n in pairwise(sizes)
    ]


def explicit(t: Array, state: Array, weights: Weights) -> Array:
    """The network with ReLU in place of u ∂x u, with its sign."""
    del t
    for weight, bias in weights[:-1]:
        state = jax.nn.relu(product(state, weight) + bias)
    weight, bias = weights[-1]
    return -(product(state, weight) + bias)


def least(function: Callable[[], Any], seconds: float) -> float:
    """Least processor time of a call in milliseconds."""
    jax.block_until_ready(function())
    times, end = [], time.perf_counter() + seconds
    while len(times) < 2 or (time.perf_counter() < end and len(times) < 60):
        start = time.process_time()
        jax.block_until_ready(function())
        times.append(time.process_time() - start)
    return 1e3 * min(times)


def training(
    operator: ImplicitOperator,
    weights: Weights,
    batch: Array,
    steps: int,
    dt: float,
    scheme: str,
    gradient: str,
) -> float:
    optimiser = optax.adamw(5e-3, weight_decay=0.01)
    target = jnp.roll(batch, 1, axis=1)
    kept = prefactored(operator, scheme, dt)

    @eqx.filter_jit
    def epoch(weights: Any, state: Any, operator: Any, batch: Any, target: Any) -> Any:
        def step(carried: Any, _: Any) -> Any:
            def loss(weights: Any) -> Any:
                run = rollout(
                    explicit, operator, batch, weights, steps, dt, scheme,
                    keep_every=steps, gradient=gradient,
                )  # fmt: skip
                return jnp.mean((run.states[-1] - target) ** 2)

            weights, state = carried
            value, slope = jax.value_and_grad(loss)(weights)
            change, state = optimiser.update(slope, state, weights)
            return (optax.apply_updates(weights, change), state), value

        return jax.lax.scan(step, (weights, state), length=BATCHES)

    state = optimiser.init(weights)
    return least(lambda: epoch(weights, state, kept, batch, target), 4.0) / BATCHES


def smooth(points: int, batch: int, kind: Any) -> Array:
    """Random sums of a few waves."""
    rng = np.random.default_rng(1)
    x = 2 * np.pi * np.arange(points) / points
    waves = [np.cos(k * x + rng.uniform(0, 6.3, (batch, 1))) for k in range(1, 6)]
    return jnp.asarray(sum(waves), kind)


def table(
    schemes: Sequence[str], name: str, points: int, hidden: int, batch: int, steps: int, dt: float,
    gradient: str,
) -> None:  # fmt: skip
    operator = kuramoto(points) if name == "ks" else burgers(points)
    size = 0.01 if name == "ks" else 0.1 / np.sqrt(hidden)
    batches = 3999 // 256 if name == "ks" else 80 * 49 // 200
    for scheme in schemes:
        found = [
            training(
                operator, network(points, hidden, size, kind), smooth(points, batch, kind), steps,
                dt, scheme, gradient,
            )
            for kind in (jnp.float64, jnp.float32)
        ]  # fmt: skip
        count = count_evaluations(scheme, steps, gradient, batches=batches).total
        print(
            f"{name}{points} batch {batch} {scheme}: float64 {found[0]:7.2f} ms, float32 "
            f"{found[1]:7.2f} ms; {count} evaluations an epoch of {batches} batches",
            flush=True,
        )


def gradients() -> None:
    """float32 against float64 on 512 points, where the stencil's numbers are large."""
    operator, found = kuramoto(512), []
    for kind in (jnp.float64, jnp.float32):
        weights, batch = network(512, 400, 0.05, kind), smooth(512, 32, kind)

        @jax.jit
        @jax.grad
        def slope(weights: Any, batch: Any) -> Any:
            run = rollout(explicit, operator, batch, weights, 1, 0.2, "imex_rk3")
            return jnp.mean(run.states[-1] ** 2)

        leaves = jax.tree.leaves(slope(weights, batch))
        found.append(np.concatenate([np.ravel(np.asarray(x, float)) for x in leaves]))
    error = np.linalg.norm(found[1] - found[0]) / np.linalg.norm(found[0])
    print(f"ks512 imex_rk3: gradient in float32 differs from float64 by {error:.1e}", flush=True)


def long_rollout(steps: int = 200) -> None:
    operator, batch = kuramoto(64), smooth(64, 32, jnp.float64)
    weights = network(64, 200, 0.01, jnp.float64)
    ways = [("backpropagation", None), ("discrete_adjoint", None), ("discrete_adjoint", "sqrt")]
    ways += [("discrete_adjoint", 10), ("backpropagation", "sqrt")]
    for scheme in ("imex_rk2", "imex_rk3"):
        known = None
        for gradient, checkpoints in ways:

            @jax.jit
            @jax.value_and_grad
            def slope(
                weights: Any,
                batch: Any,
                how: str = gradient,
                kept: Any = checkpoints,
                scheme: str = scheme,
            ) -> Any:
                run = rollout(
                    explicit, operator, batch, weights, steps, 0.2, scheme,
                    gradient=how, checkpoints=kept, keep_every=steps,
                )  # fmt: skip
                return jnp.mean(run.states[-1] ** 2)

            compiled = slope.lower(weights, batch).compile()
            analysis: Any = compiled.memory_analysis()
            _, found = compiled(weights, batch)
            flat = np.concatenate([np.ravel(x) for x in jax.tree.leaves(found)])
            known = flat if known is None else known
            error = np.linalg.norm(flat - known) / np.linalg.norm(known)
            took = least(lambda c=compiled: c(weights, batch), 3.0)
            print(
                f"{steps} steps of {scheme}, {gradient}, checkpoints {checkpoints}: {took:.0f} ms, "
                f"{analysis.temp_size_in_bytes / 2**20:.1f} MB, gradient off by {error:.1e}",
                flush=True,
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only")
    parser.add_argument("--schemes", nargs="+", default=PAIRS)
    parser.add_argument("--gradient", default="discrete_adjoint")
    given = parser.parse_args()
    only, gradient, schemes = given.only, given.gradient, given.schemes
    if only in (None, "ks64"):
        table(schemes, "ks", 64, 200, 256, 1, 0.2, gradient)
    if only in (None, "rollout"):
        long_rollout()
    if only in (None, "ks512"):
        gradients()
        table(schemes, "ks", 512, 1600, 256, 1, 0.2, gradient)
    if only in (None, "burgers512"):
        table(schemes, "burgers", 512, 576, 32, 2, 0.05, gradient)
    if only in (None, "burgers1024"):
        table(schemes, "burgers", 1024, 1152, 32, 2, 0.05, gradient)


if __name__ == "__main__":
    main()
