"""Cost of a PINN's loss and gradient: mean((Δu)²) of a network by four ways of differentiation.

    python benchmarks/derivatives.py [--repetitions 9]

Prints milliseconds (median of interleaved repetitions), the ratio to `jax.hessian`, seconds to
compile and megabytes of temporaries. All four are checked against each other first.

- hessian: the trace of `jax.hessian`, all points at once;
- hessian in chunks: the same, in row chunks;
- jet: `jax.experimental.jet` along every axis, all points at once;
- collapsed: collapsed Taylor propagation in row chunks (`pdesl.lowering.taylor`), as a sum of
  squares that accumulates its gradient; also as rows, and for several sizes of chunks.
"""

from __future__ import annotations

import os

os.environ.setdefault("JAX_ENABLE_X64", "1")
os.environ.setdefault("JAX_PLATFORMS", "cpu")

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental.jet import jet

from pdesl.lowering.rows import chunked_rows, sum_of_squares
from pdesl.lowering.taylor import CollapsedSum, plan
from pdesl.solvers.networks import NetworkOptions, make_network

CASES = [  # inputs, points, width, hidden layers, dtype
    (2, 1663, 50, 4, np.float64),
    (2, 4096, 50, 4, np.float64),
    (2, 4096, 50, 4, np.float32),
    (3, 4096, 50, 4, np.float64),
    (8, 4096, 50, 4, np.float64),
]


def methods(dimension: int, count: int) -> dict[str, Callable[[Any, Any], Any]]:
    """Each: (network, points) → loss, to be differentiated."""
    axes = [tuple(2 * int(i == j) for j in range(dimension)) for i in range(dimension)]
    laplacian = plan([CollapsedSum(tuple(axes))])
    ones = [(1.0,) * dimension]

    def hessian(network: Any, points: Any) -> Any:
        def one(x: Any) -> Any:
            return jnp.trace(jax.hessian(lambda y: network(y[None])[0, 0])(x))

        return jax.vmap(one)(points)

    def by_jet(network: Any, points: Any) -> Any:
        identity = jnp.eye(dimension, dtype=points.dtype)

        def one(x: Any) -> Any:
            def along(v: Any) -> Any:
                series = jet(lambda y: network(y[None])[0, 0], (x,), ((v, jnp.zeros_like(v)),))
                return series[1][1]

            return jnp.sum(jax.vmap(along)(identity))

        return jax.vmap(one)(points)

    def collapsed(network: Any, points: Any) -> Any:
        return laplacian.evaluate(network, points, ones, chunk=None)[0]

    def mean(rows: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        return lambda network, points: jnp.mean(rows(network, points) ** 2)

    def in_sums(chunk: int) -> Callable[[Any, Any], Any]:
        return lambda network, points: (
            sum_of_squares(collapsed, network, points, chunk=chunk)[0] / count
        )

    return {
        "hessian": mean(hessian),
        "hessian in chunks of 512": lambda n, x: (
            sum_of_squares(hessian, n, x, chunk=512)[0] / count
        ),
        "jet": mean(by_jet),
        "collapsed, all rows at once": mean(collapsed),
        "collapsed, rows of 512": mean(lambda n, x: chunked_rows(collapsed, n, x, chunk=512)),
        "collapsed, sums of 128": in_sums(128),
        "collapsed, sums of 256": in_sums(256),
        "collapsed, sums of 512": in_sums(512),
        "collapsed, sums of 1024": in_sums(1024),
    }


def measure(case: tuple[int, int, int, int, type], repetitions: int) -> None:
    dimension, count, width, depth, dtype = case
    network = make_network(
        NetworkOptions(width, depth), [-1.0] * dimension, [1.0] * dimension, seed=0, dtype=dtype
    )
    draws = np.random.default_rng(1).uniform(-1.0, 1.0, (count, dimension))
    points = jnp.asarray(draws.astype(dtype))
    compiled, seconds = {}, {}
    for name, loss in methods(dimension, count).items():
        begin = time.perf_counter()
        program = jax.jit(jax.value_and_grad(loss)).lower(network, points).compile()
        seconds[name] = time.perf_counter() - begin
        compiled[name] = program
    reference = jax.tree.leaves(compiled["hessian"](network, points))
    tolerance = 1e-9 if dtype == np.float64 else 1e-3
    for name, program in compiled.items():
        for one, other in zip(jax.tree.leaves(program(network, points)), reference, strict=True):
            scale = float(jnp.max(jnp.abs(other))) + 1e-6
            if float(jnp.max(jnp.abs(one - other))) > tolerance * scale:
                raise SystemExit(f"{name} disagrees with hessian")
    times: dict[str, list[float]] = {name: [] for name in compiled}
    for _ in range(repetitions):
        for name, program in compiled.items():
            begin = time.perf_counter()
            jax.block_until_ready(program(network, points))
            times[name].append(time.perf_counter() - begin)
    slowest = statistics.median(times["hessian"])
    print(f"\n{depth}×{width} tanh, {dimension} inputs, {count} points, {np.dtype(dtype).name}")
    print(f"  {'':28s} {'ms':>8s} {'hessian is':>12s} {'compile s':>10s} {'MB':>7s}")
    for name, program in compiled.items():
        median = statistics.median(times[name])
        megabytes = program.memory_analysis().temp_size_in_bytes / 1e6
        print(
            f"  {name:28s} {1e3 * median:8.2f} {slowest / median:10.2f} × {seconds[name]:10.2f}"
            f" {megabytes:7.1f}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description="Cost of a PINN's loss and gradient")
    parser.add_argument("--repetitions", type=int, default=9)
    repetitions = parser.parse_args().repetitions
    print(f"JAX {jax.__version__}, {jax.devices()[0].device_kind}, {os.cpu_count()} cores")
    for case in CASES:
        measure(case, repetitions)


if __name__ == "__main__":
    main()
