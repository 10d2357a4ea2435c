"""Products with RBF-FD matrices: SparseOperator against SciPy's CSR.

    python benchmarks/sparse_products.py [--repetitions 31]

Prints milliseconds (median of interleaved repetitions; least in brackets) and the ratios:
forward against one SciPy product, forward and transpose (value and vjp) against two, and 25
right-hand sides against SciPy's product with 25 columns.  The nodes are in Morton order.
"""

from __future__ import annotations

import os

os.environ.setdefault("JAX_ENABLE_X64", "1")
os.environ.setdefault("JAX_PLATFORMS", "cpu")

import argparse
import statistics
import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from scipy.sparse import csr_matrix
from scipy.spatial import KDTree
from scipy.stats import qmc

from pdesl.lowering.sparse import SparseOperator

CASES = [  # nodes, entries in a row, number type
    (20_000, 31, np.float64),
    (100_000, 31, np.float64),
    (100_000, 31, np.float32),
    (100_000, 57, np.float64),
]
SIDES = 25


def main() -> None:
    parser = argparse.ArgumentParser(description="Sparse products against SciPy")
    parser.add_argument("--repetitions", type=int, default=31)
    options = parser.parse_args()
    print(f"targets at N = 100,000, n = 31: forward 1.5, both 2.5, {SIDES} sides 1.5 x SciPy")
    for count, size, dtype in CASES:
        run_case(count, size, dtype, options.repetitions)


def run_case(count: int, size: int, dtype: type, repetitions: int) -> None:
    points = morton_order(qmc.Halton(2, scramble=False).random(count))
    index = np.sort(np.asarray(KDTree(points).query(points, size)[1]), axis=1)
    generator = np.random.default_rng(0)
    values = generator.standard_normal((count, size)).astype(dtype)
    starts = np.arange(0, count * size + 1, size)
    matrix = csr_matrix((values.ravel(), index.ravel(), starts), shape=(count, count))
    transpose = csr_matrix(matrix.T)
    operator = SparseOperator.from_csr(matrix)
    u = generator.standard_normal(count).astype(dtype)
    many = generator.standard_normal((count, SIDES)).astype(dtype)
    u_jax, many_jax, rows_jax = jnp.asarray(u), jnp.asarray(many), jnp.asarray(many.T.copy())

    @jax.jit
    def forward(operator, u):
        return operator @ u

    @jax.jit
    def both(operator, u):
        value, pull = jax.vjp(lambda x: operator @ x, u)
        return value, pull(value)[0]

    @jax.jit
    def mapped(operator, rows):
        return jax.vmap(lambda x: operator @ x)(rows)

    candidates: dict[str, Callable[[], object]] = {
        "SciPy": lambda: matrix @ u,
        "forward": lambda: forward(operator, u_jax),
        "SciPy, both": lambda: transpose @ (matrix @ u),
        "both": lambda: both(operator, u_jax),
        "SciPy, sides": lambda: matrix @ many,
        "sides": lambda: forward(operator, many_jax),
        "sides by vmap": lambda: mapped(operator, rows_jax),
    }
    tolerance = 1e-4 if dtype is np.float32 else 1e-10
    exact = transpose @ (matrix @ u)
    found = jax.block_until_ready(candidates["both"]())
    assert np.abs(np.asarray(found)[1] - exact).max() <= tolerance * np.abs(exact).max()
    times: dict[str, list[float]] = {name: [] for name in candidates}
    for repetition in range(repetitions):
        for name, run in candidates.items():
            if "sides" in name and repetition % 3:
                continue
            jax.block_until_ready(run())
            start = time.perf_counter()
            jax.block_until_ready(run())
            times[name].append(1e3 * (time.perf_counter() - start))
    print(f"N = {count}, n = {size}, {np.dtype(dtype)}")
    for name, reference in [
        ("forward", "SciPy"),
        ("both", "SciPy, both"),
        ("sides", "SciPy, sides"),
        ("sides by vmap", "SciPy, sides"),
    ]:
        middle, base = statistics.median(times[name]), statistics.median(times[reference])
        least, least_base = min(times[name]), min(times[reference])
        print(
            f"    {name:14s} {middle:8.2f} ({least:7.2f})   {reference:13s} {base:8.2f}"
            f" ({least_base:7.2f})   ratio {middle / base:5.2f} ({least / least_base:5.2f})",
            flush=True,
        )


def morton_order(points: np.ndarray, bits: int = 16) -> np.ndarray:
    """Points of the unit cube along the Z-shaped curve."""
    cells = (points * (2**bits - 1)).astype(np.uint64)
    code = np.zeros(len(points), np.uint64)
    for bit in range(bits):
        for axis in range(points.shape[1]):
            digit = (cells[:, axis] >> np.uint64(bit)) & np.uint64(1)
            code |= digit << np.uint64(bit * points.shape[1] + axis)
    return points[np.argsort(code)]


if __name__ == "__main__":
    main()
