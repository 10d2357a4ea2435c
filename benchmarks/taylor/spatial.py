"""Gradient of mean((Δu)²) and of mean((Δ²u)²): ways to differentiate a network in space.

    python benchmarks/taylor/spatial.py [laplacian] [biharmonic] [--repetitions 5] [--points 4096]

Milliseconds of processor time on one core (least of interleaved repetitions), ratios to `jets`,
seconds of processor time to compile, megabytes of temporaries, largest difference to the first
way relative to the largest value. Every way works in chunks of 256 rows and accumulates its
gradient (`pdesl.lowering.rows.sum_of_squares`), which favours all of them alike.

- hessian: the trace of `jax.hessian` (of the trace of `jax.hessian`);
- jet: `jax.experimental.jet` along the directions of `pdesl.lowering.jets.directions`;
- folx: the forward Laplacian of the package of that name, where it is installed;
- layers: `pdesl.lowering.taylor`, written out for layered networks;
- jets: `pdesl.lowering.jets.collapsed`, for any function;
- nested: the collapsed Laplacian of the collapsed Laplacian.
"""

from __future__ import annotations

import os

os.environ.setdefault("JAX_ENABLE_X64", "1")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault(
    "XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
)

import argparse
import importlib.util
import itertools
import time
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental.jet import jet

from pdesl.lowering.embedding import Embedding, make_embedding
from pdesl.lowering.jets.collapsed import directional_sum, laplacian
from pdesl.lowering.jets.directions import directions_for
from pdesl.lowering.rows import sum_of_squares
from pdesl.lowering.taylor import CollapsedSum, plan

LAPLACIAN_CASES = [
    ("tanh", 2, np.float64),
    ("tanh", 2, np.float32),
    ("tanh", 8, np.float64),
    ("swish", 3, np.float64),
    ("swish", 3, np.float32),
    ("swish", 8, np.float64),
]
BIHARMONIC_CASES = [("tanh", 2, np.float64), ("tanh", 3, np.float64), ("tanh", 4, np.float64)]


def embedding_of(dimension: int) -> Embedding:
    """Sines and cosines of 2ᵏ π xᵢ, k < 4."""
    box = [-1.0] * dimension, [1.0] * dimension, [True] * dimension
    return make_embedding(*box, frequencies=4, alpha=0.0, scale=1.0)


class Network(eqx.Module):
    """tanh 4×50, or swish 3×100 behind an embedding in sines and cosines; one point at a time."""

    weights: tuple[Any, ...]
    biases: tuple[Any, ...]
    activation: str = eqx.field(static=True)
    center: tuple[float, ...] = eqx.field(static=True)
    scale: tuple[float, ...] = eqx.field(static=True)

    def __call__(self, x: Any) -> Any:
        act = jnp.tanh if self.activation == "tanh" else jax.nn.silu
        if self.activation == "swish":
            x = embedding_of(x.shape[0]).features(x[None])[0]
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            x = act(x @ weight + bias)
        return (x @ self.weights[-1] + self.biases[-1])[0]


def network_of(kind: str, dimension: int, dtype: Any) -> Network:
    generator = np.random.default_rng(0)
    sizes = [dimension, *[50] * 4, 1] if kind == "tanh" else [8 * dimension, *[100] * 3, 1]
    pairs = list(itertools.pairwise(sizes))
    return Network(
        tuple(jnp.asarray(generator.normal(0, m**-0.5, (m, n)), dtype) for m, n in pairs),
        tuple(jnp.asarray(np.linspace(-0.5, 0.5, n), dtype) for _, n in pairs),
        kind,
        (0.0,) * sizes[0],
        (1.0,) * sizes[0],
    )


def operator_of(dimension: int, power: int) -> dict[tuple[int, ...], float]:
    """Δ or Δ² by multi-indices."""
    found: dict[tuple[int, ...], float] = {}
    for axes in itertools.product(range(dimension), repeat=power):
        index = tuple(2 * axes.count(i) for i in range(dimension))
        found[index] = found.get(index, 0.0) + 1.0
    return found


def ways(kind: str, dimension: int, power: int) -> dict[str, Callable[[Any, Any], Any]]:
    """Each: (network, points) → values of the operator."""
    operator = operator_of(dimension, power)
    found = directions_for([operator])
    directions, weights, order = found.directions, found.weights[0], 2 * power
    request = plan([CollapsedSum(tuple(operator))])

    def rows(one: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        return lambda network, points: jax.vmap(lambda x: one(network, x))(points)

    def hessian(network: Any, x: Any) -> Any:
        def trace(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
            return lambda y: jnp.trace(jax.hessian(function)(y))

        function: Callable[[Any], Any] = network
        for _ in range(power):
            function = trace(function)
        return function(x)

    def by_jet(network: Any, x: Any) -> Any:
        zeros = [jnp.zeros_like(x)] * (order - 1)

        def along(v: Any) -> Any:
            return jet(network, (x,), ((v, *zeros),))[1][-1]

        return jax.vmap(along)(jnp.asarray(directions, x.dtype)) @ jnp.asarray(weights, x.dtype)

    def by_folx(network: Any, x: Any) -> Any:
        import folx  # pyright: ignore[reportMissingImports]

        return folx.forward_laplacian(network, 0)(x).laplacian

    def layers(network: Any, points: Any) -> Any:
        embedding = embedding_of(dimension) if kind == "swish" else None
        given = [tuple(operator.values())]
        return request.evaluate(network, points, given, chunk=None, embedding=embedding)[0]

    def jets(network: Any, x: Any) -> Any:
        return directional_sum(network, x, directions, weights, order)[1]

    def nested(network: Any, x: Any) -> Any:
        return laplacian(lambda y: laplacian(network, y)[1], x)[1]

    table: dict[str, Callable[[Any, Any], Any]] = {"hessian": rows(hessian), "jet": rows(by_jet)}
    if power == 1 and importlib.util.find_spec("folx"):
        table["folx"] = rows(by_folx)
    table["layers"] = layers
    table["jets"] = rows(jets)
    if power == 2:
        table["nested"] = rows(nested)
    return table


def measure(case: tuple[str, int, Any], power: int, count: int, repetitions: int) -> None:
    kind, dimension, dtype = case
    network = network_of(kind, dimension, dtype)
    points = np.random.default_rng(1).uniform(-1.0, 1.0, (count, dimension)).astype(dtype)
    points = jnp.asarray(points)
    functions, seconds, best, values = {}, {}, {}, {}
    for name, way in ways(kind, dimension, power).items():

        def loss(network: Any, points: Any, way: Any = way) -> Any:
            return sum_of_squares(way, network, points)[0] / count

        begun = time.process_time()
        functions[name] = jax.jit(jax.grad(loss)).lower(network, points).compile()
        seconds[name] = time.process_time() - begun
        values[name] = np.asarray(jax.jit(way)(network, points[:64]))
        best[name] = np.inf
    for _ in range(repetitions):
        for name, function in functions.items():
            begun = time.process_time()
            jax.block_until_ready(function(network, points))
            best[name] = min(best[name], time.process_time() - begun)
    reference = next(iter(values.values()))
    print(f"{'Δ' * power} {kind} d = {dimension} {np.dtype(dtype).name} n = {count}")
    for name, function in functions.items():
        memory = function.memory_analysis().temp_size_in_bytes / 1e6
        error = np.abs(values[name] - reference).max() / np.abs(reference).max()
        print(
            f"    {name:8s} {1e3 * best[name]:8.1f} ms  x{best[name] / best['jets']:5.2f}"
            f"  compile {seconds[name]:5.2f} s  {memory:6.1f} MB  difference {error:.0e}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("which", nargs="*", default=["laplacian", "biharmonic"])
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--points", type=int, default=4096)
    options = parser.parse_args()
    for name in options.which:
        cases, power = (LAPLACIAN_CASES, 1) if name == "laplacian" else (BIHARMONIC_CASES, 2)
        for case in cases:
            measure(case, power, options.points, options.repetitions)


if __name__ == "__main__":
    main()
