"""Time of RBF-FD weights, nearest neighbours included, against the package treverhines-rbf.

    python benchmarks/rbffd_weights.py [--repetitions 7] [--no-package]

Prints seconds of wall time (median, and the least, of interleaved repetitions) and of processor
time (median) for the Laplacian on scattered nodes, and how many times as long the other package
takes on stencils of the same nodes with the same polynomials (its exponents end at 7).  It is no
dependency: `pip install treverhines-rbf` builds it from source, which needs a C compiler; without
it the last columns stay empty.  Both are first checked to give the same result.
"""

from __future__ import annotations

import argparse
import importlib
import statistics
import time
from collections.abc import Callable

import numpy as np
from scipy.stats import qmc

from pdesl.lowering.rbffd import laplacian, make_weights, to_csr

CASES = [  # dimension, nodes, order p
    (2, 19_638, 2),
    (2, 19_638, 3),
    (2, 19_638, 4),
    (2, 19_638, 5),
    (3, 20_000, 3),
]
TARGETS = {(2, 3): 0.7, (2, 5): 2.0}


def main() -> None:
    parser = argparse.ArgumentParser(description="RBF-FD weights against treverhines-rbf")
    parser.add_argument("--repetitions", type=int, default=7)
    parser.add_argument("--no-package", action="store_true", help="time pdesl alone")
    options = parser.parse_args()
    package = None if options.no_package else import_package()
    print(
        "   d       N  p    n   m   median   least    cpu  target"
        " | package    cpu  ratio least   cpu"
    )
    for dimension, count, order in CASES:
        points = qmc.Halton(dimension, scramble=False).random(count)

        def ours(points=points, dimension=dimension, order=order):
            return make_weights(points, points, [laplacian(dimension)], order=order)

        weights = ours()
        candidates: dict[str, Callable[[], object]] = {"pdesl": ours}
        if package is not None:

            def theirs(points=points, weights=weights, dimension=dimension):
                return package.weight_matrix(
                    points,
                    points,
                    weights.indices.shape[1],
                    2 * np.eye(dimension, dtype=int),
                    phi=f"phs{min(weights.exponent, 7)}",
                    order=weights.degree,
                )

            candidates["package"] = theirs
            check(points, dimension, order, theirs())
        times = interleave(candidates, options.repetitions)
        mine, cpu = times["pdesl"]
        line = f"{dimension:4d} {count:7d} {order:2d} {weights.indices.shape[1]:4d}"
        line += f" {weights.exponent:3d} {statistics.median(mine):8.3f} {min(mine):7.3f}"
        line += f" {statistics.median(cpu):6.3f}"
        target = TARGETS.get((dimension, order))
        line += f" {target:7.1f}" if target else 8 * " "
        if package is not None:
            other, other_cpu = times["package"]
            line += f" | {statistics.median(other):7.3f} {statistics.median(other_cpu):6.3f}"
            line += f"  {statistics.median(other) / statistics.median(mine):5.2f}"
            line += f" {min(other) / min(mine):5.2f}"
            line += f" {statistics.median(other_cpu) / statistics.median(cpu):5.2f}"
        print(line, flush=True)


def import_package():
    try:
        return importlib.import_module("rbf.pde.fd")
    except ImportError:
        print("treverhines-rbf is not installed: no comparison")
        return None


def check(points: np.ndarray, dimension: int, order: int, matrix) -> None:
    """Both must give the same derivative at the package's largest exponent."""
    operators = [laplacian(dimension)]
    same = to_csr(make_weights(points, points, operators, order=order, exponent=7))
    field = np.sin(3 * points.sum(axis=1))
    first, second = same @ field, matrix.tocsr() @ field
    difference = np.abs(first - second).max() / np.abs(first).max()
    if difference > 1e-4:
        raise AssertionError(f"the two packages differ by {difference:.1e}")


def interleave(
    candidates: dict[str, Callable[[], object]], repetitions: int
) -> dict[str, tuple[list[float], list[float]]]:
    """Wall and processor seconds of every repetition of every candidate."""
    times: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in candidates}
    for _ in range(repetitions):
        for name, run in candidates.items():
            start, busy = time.perf_counter(), time.process_time()
            run()
            times[name][0].append(time.perf_counter() - start)
            times[name][1].append(time.process_time() - busy)
    return times


if __name__ == "__main__":
    main()
