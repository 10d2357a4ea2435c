"""Regularised flows for a density in two dimensions: none, K, B, K + B, R_2, R_3, both traces.

    python benchmarks/taylor/densities.py [--iterations 300] [--output benchmarks/taylor/results]

Table 2 of J. Kelly et al., Learning differential equations that are easy to solve, 2020, at the
scale of `examples/density.py`, which has the models, their training and how they are judged. Writes
the table `densities`, and a figure of the densities with the paths of some samples.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

sys.path.append(str(Path(__file__).resolve().parents[1] / "dt_pinn"))
sys.path.append(str(Path(__file__).resolve().parents[2] / "examples"))
import density  # isort: skip  first: it chooses the precision
from neural_odes import runge_kutta
from output import write_figure, write_table

RESULTS = Path(__file__).parent / "results"
EXTENT, SIDE = 2.6, 90


def draw(models: dict[str, Any]) -> Any:
    line = np.linspace(-EXTENT, EXTENT, SIDE)
    grid = jnp.asarray(np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2))
    times = jnp.linspace(0.0, 1.0, 33)
    some = jnp.asarray(density.spiral(40, 5))
    columns = -(-len(models) // 2)
    figure, axes = plt.subplots(2, columns, figsize=(3.0 * columns, 6.6), layout="constrained")

    @jax.jit
    def pictured(parameters: Any) -> Any:
        z, change, _ = density.flow(parameters, grid, (), None, times)
        paths = runge_kutta(lambda t, z: density.dynamics(parameters, t, z), some, times)
        return jnp.exp(-density.nats(z, change)), paths

    for place, (name, parameters) in zip(axes.flat, models.items(), strict=False):
        values, paths = (np.asarray(v) for v in pictured(parameters))
        image = values.reshape(SIDE, SIDE)
        place.imshow(image, origin="lower", extent=[-EXTENT, EXTENT] * 2, cmap="magma", vmax=0.25)
        place.plot(paths[:, :, 0], paths[:, :, 1], color="white", lw=0.5, alpha=0.7)
        place.set(title=name, xlim=(-EXTENT, EXTENT), ylim=(-EXTENT, EXTENT), xticks=[], yticks=[])
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--iterations", type=int, default=300)
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    rows: list[list[Any]] = []
    models = {}
    for trace in density.TRACES:
        for name in density.RUNS:
            models[f"{name}, {trace}"], seconds = density.learned(name, trace, options.iterations)
            loss, _, counts, integrals = density.judged(models[f"{name}, {trace}"])
            rows.append([name, trace, loss, *counts, *integrals, seconds])
            print(f"{name}, {trace} done", flush=True)
    caption = (
        f"Densities of a noisy spiral, {options.iterations} iterations: nats on fresh data with "
        "the exact trace, evaluations at 1e-5 by adaptive solvers of orders 3 and 5"
    )
    columns = ["regulariser", "trace in training", "nats", "RK23", "RK45", "K", "B", "R_2", "CPU s"]
    write_table(options.output, "densities", caption, columns, rows)
    write_figure(options.output, "densities", draw(models))


if __name__ == "__main__":
    main()
