"""Derivatives of a network by RBF-FD and by automatic differentiation, over its depth.

    python benchmarks/dt_pinn/derivatives_by_depth.py [laplacian|biharmonic] [--networks 15]

Figures 2 (Laplacian, N = 19,638) and 7 (biharmonic, N = 4,977) of R. Sharma and V. Shankar
(NeurIPS 2022): the relative error against float64 automatic differentiation, and the time of one
application, for random tanh networks of 1 to 8 hidden layers of 50 units on the unit disk.
RBF-FD is given the values at the nodes, as in the paper; one more column has the time of the
network's values and the product together, which is what a loss pays.
"""

from __future__ import annotations

import os

os.environ.setdefault("JAX_ENABLE_X64", "1")

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from output import RESULTS, write_figure, write_table

from pdesl.lowering.cloud import make_cloud
from pdesl.lowering.rbffd import biharmonic, laplacian, make_weights, to_csr
from pdesl.lowering.sparse import SparseOperator
from pdesl.lowering.taylor import CollapsedSum, plan
from pdesl.solvers.networks import NetworkOptions, make_network
from pdesl.symbolic.geometry import Disk

NODES = {"laplacian": 19_638, "biharmonic": 4_977}
DEPTHS = (1, 2, 4, 6, 8)
ORDERS = (2, 3, 4, 5)


def nested_hessians(operator: str) -> Callable[[Any, Any], Any]:
    """(network, points) → Δu or Δ²u at the points, by nested automatic differentiation."""

    def laplace(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        return lambda x: jnp.trace(jax.hessian(function)(x))

    def apply(network: Any, points: Any) -> Any:
        function = laplace(lambda x: network(x[None])[0, 0])
        if operator == "biharmonic":
            function = laplace(function)
        # In blocks: all points of a biharmonic at once would ask for gigabytes.
        return jax.lax.map(function, points, batch_size=1024)

    return apply


def milliseconds(program: Callable[..., Any], *arguments: Any, repetitions: int = 7) -> float:
    jax.block_until_ready(program(*arguments))
    times = []
    for _ in range(repetitions):
        begin = time.perf_counter()
        jax.block_until_ready(program(*arguments))
        times.append(time.perf_counter() - begin)
    return 1e3 * statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser(description="Derivatives of networks over depth")
    parser.add_argument("operator", nargs="?", choices=tuple(NODES), default="laplacian")
    parser.add_argument("--networks", type=int, default=15, help="random networks of each depth")
    parser.add_argument("--nodes", type=int, help="in place of the paper's number")
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    count = options.nodes or NODES[options.operator]
    cloud = make_cloud(Disk((0.0, 0.0), 1.0), nodes=count, spacing=None, seed=0, ghost=True)
    terms = (laplacian if options.operator == "laplacian" else biharmonic)(2)
    products: dict[int, SparseOperator] = {}
    for order in ORDERS:
        begin = time.perf_counter()
        weights = make_weights(cloud.points, cloud.evaluation, [terms], order=order)
        products[order] = SparseOperator.from_csr(to_csr(weights, 0, len(cloud.points)))
        print(f"weights p = {order}: {time.perf_counter() - begin:.2f} s")
    at_nodes = {d: jnp.asarray(cloud.points, d) for d in ("float64", "float32")}
    centres = {d: jnp.asarray(cloud.evaluation, d) for d in ("float64", "float32")}
    exact = jax.jit(nested_hessians(options.operator))
    request = plan([CollapsedSum(tuple(terms))])
    factors = [tuple(float(c) for c in terms.values())]
    collapsed = jax.jit(lambda network, points: request.evaluate(network, points, factors)[0])
    product = jax.jit(lambda matrix, values: matrix @ values)
    both = jax.jit(lambda network, points, matrix: matrix @ network(points)[:, 0])

    errors: dict[tuple[str, int], list[float]] = {}
    times: dict[tuple[str, int], float] = {}
    for depth in DEPTHS:
        for seed in range(options.networks):
            shape = NetworkOptions(50, depth)
            pair = {
                d: make_network(shape, [-1.0, -1.0], [1.0, 1.0], seed=seed, dtype=np.dtype(d))
                for d in centres
            }
            # The same weights in both precisions, so that rounding alone differs.
            pair["float32"] = jax.tree.map(
                lambda leaf: jnp.asarray(leaf, jnp.float32), pair["float64"]
            )
            truth = np.asarray(exact(pair["float64"], centres["float64"]))
            size = np.linalg.norm(truth)

            def record(
                name: str, found: Any, depth: int = depth, truth: Any = truth, size: Any = size
            ) -> None:
                error = np.linalg.norm(np.asarray(found, float) - truth) / size
                errors.setdefault((name, depth), []).append(float(error))

            record("autodiff float32", exact(pair["float32"], centres["float32"]))
            record("Taylor float64", collapsed(pair["float64"], centres["float64"]))
            record("Taylor float32", collapsed(pair["float32"], centres["float32"]))
            values = pair["float64"](at_nodes["float64"])[:, 0]
            for order, matrix in products.items():
                record(f"RBF-FD p = {order}", product(matrix, values))
            if seed:
                continue
            for dtype in centres:
                own = pair[dtype], centres[dtype]
                times[f"autodiff {dtype}", depth] = milliseconds(exact, *own)
                times[f"Taylor {dtype}", depth] = milliseconds(collapsed, *own)
            for order, matrix in products.items():
                times[f"RBF-FD p = {order}", depth] = milliseconds(product, matrix, values)
                times[f"network and RBF-FD p = {order}", depth] = milliseconds(
                    both, pair["float64"], at_nodes["float64"], matrix
                )
        print(f"depth {depth} done", flush=True)

    names = list(dict.fromkeys(name for name, _ in (*times, *errors)))
    rows = []
    for name in names:
        for depth in DEPTHS:
            own = errors.get((name, depth))
            rows.append(
                (
                    name,
                    depth,
                    statistics.median(own) if own else None,
                    max(own) if own else None,
                    times.get((name, depth)),
                )
            )
    figure_number = 2 if options.operator == "laplacian" else 7
    name = f"figure{figure_number}_{options.operator}"
    caption = (
        f"Figure {figure_number}: {options.operator} of a tanh network (width 50) at "
        f"{len(cloud.evaluation):,} nodes; relative l2 error against float64 nested automatic "
        f"differentiation over {options.networks} networks, and milliseconds of one application"
    )
    columns = ("method", "hidden layers", "median error", "largest error", "ms")
    write_table(options.output, name, caption, columns, rows)
    write_figure(options.output, name, draw(names, errors, times, options.operator))


def draw(
    names: list[str],
    errors: dict[tuple[str, int], list[float]],
    times: dict[tuple[str, int], float],
    operator: str,
) -> Any:
    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 4.5), layout="constrained")
    markers = "osv^D<>phX*+"
    for number, name in enumerate(names):
        color, marker = f"C{number % 10}", markers[number % len(markers)]
        middle = [statistics.median(errors[name, d]) if (name, d) in errors else np.nan
                  for d in DEPTHS]  # fmt: skip
        style = "--" if "float32" in name else ":" if "network" in name else "-"
        if not np.all(np.isnan(middle)):
            least = [min(errors[name, d]) for d in DEPTHS]
            most = [max(errors[name, d]) for d in DEPTHS]
            bars = [np.subtract(middle, least), np.subtract(most, middle)]
            left.errorbar(DEPTHS, middle, bars, marker=marker, ls=style, color=color, label=name,
                          capsize=2, lw=1.3, ms=5)  # fmt: skip
        if (name, DEPTHS[0]) in times:
            right.plot(DEPTHS, [times[name, d] for d in DEPTHS], marker=marker, ls=style,
                       color=color, label=name, lw=1.3, ms=5)  # fmt: skip
    left.set(xlabel="hidden layers", ylabel="relative l2 error", yscale="log",
             title=f"{operator}: error against float64 autodiff")  # fmt: skip
    right.set(xlabel="hidden layers", ylabel="ms", yscale="log", title="one application")
    for axis in (left, right):
        axis.grid(alpha=0.3, which="both")
        axis.set_xticks(DEPTHS)
    handles = {}
    for axis in (left, right):
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    figure.legend(handles.values(), handles.keys(), loc="outside right center", fontsize=8)
    return figure


if __name__ == "__main__":
    main()
