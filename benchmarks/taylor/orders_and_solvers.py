"""Which derivative to regularise for which solver, on handwritten digits.

    python benchmarks/taylor/orders_and_solvers.py [--orders 2 3 4 5] [--weights 0.3 1 3]
        [--epochs 30] [--seeds 1] [--output benchmarks/taylor/results]

Figures 6 and 7 of J. Kelly et al., Learning differential equations that are easy to solve, 2020,
on the model and data of `examples/digits.py`: networks regularised by R_K for every K and weight
(multiples of SCALES[K]), each solved by adaptive methods whose error estimates are of order h² z″
(Heun), h³ z‴ (Bogacki and Shampine), h⁵ (Dormand and Prince) and h⁸ (their method of order 8), all
images of the test as one system. Writes the table and the figure `orders_and_solvers`:
above, evaluations against the loss of the training; below, against the R_K of the solver's order.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from scipy.integrate import RK23

sys.path.append(str(Path(__file__).resolve().parents[1] / "dt_pinn"))
sys.path.append(str(Path(__file__).resolve().parents[2] / "examples"))
import digits
from output import write_figure, write_table

RESULTS = Path(__file__).parent / "results"
#: A weight for each order whose effects are alike.
SCALES = {2: 3e-2, 3: 1e-2, 4: 1e-3, 5: 1e-4}
ORDERS = (2, 3, 4, 5)


class Heun(RK23):
    """The trapezoidal rule with Euler's method as its error estimate, adaptive."""

    order = 2
    error_estimator_order = 1
    n_stages = 2
    C = np.array([0.0, 1.0])
    A = np.array([[0.0, 0.0], [1.0, 0.0]])
    B = np.array([0.5, 0.5])
    E = np.array([-0.5, 0.5, 0.0])


#: By name: the solver, and the order of the derivative in its error estimate (5 stands for 8).
SOLVERS: dict[str, tuple[Any, int]] = {
    "Heun 2(1)": (Heun, 2),
    "Bogacki-Shampine 3(2)": ("RK23", 3),
    "Dormand-Prince 5(4)": ("RK45", 5),
    "Dormand-Prince 8": ("DOP853", 5),
}
TOLERANCE = 1e-5


def measured(order: int, weight: float, epochs: int, seeds: int) -> list[float]:
    """Means over seeds: evaluations by solver, accuracy, loss, training loss, R_2 … R_5, CPU s."""
    rows = []
    for seed in range(seeds):
        data = digits.load(seed)
        found, seconds = digits.learned(data[0], data[1], order, weight, epochs, 1 + 10 * seed)
        solvers = [(solver, TOLERANCE) for solver, _ in SOLVERS.values()]
        counts, losses, penalties, _ = digits.judged(found, data, solvers, ORDERS)
        rows.append([*counts, *losses, *map(float, penalties), seconds])
    return list(np.mean(rows, axis=0))


def draw(rows: Sequence[Sequence[Any]]) -> Any:
    """Rows (K, weight, evaluations …, accuracy, loss, training loss, R_2 … R_5, seconds)."""
    figure, axes = plt.subplots(2, len(SOLVERS), figsize=(3.6 * len(SOLVERS), 6.4), sharey="col")
    count = len(SOLVERS)
    for column, (name, (_, own)) in enumerate(SOLVERS.items()):
        for order in dict.fromkeys(row[0] for row in rows):
            mine = [row for row in rows if row[0] == order]
            label = f"$R_{order}$" if order else "none"
            style = {"marker": "o" if order else "*", "label": label, "color": f"C{order}"}
            evaluations = [row[2 + column] for row in mine]
            axes[0, column].plot([row[4 + count] for row in mine], evaluations, **style)
            place = 5 + count + ORDERS.index(own)
            axes[1, column].plot([row[place] for row in mine], evaluations, ls="", **style)
        axes[0, column].set(title=name, xlabel="training loss", xscale="log")
        axes[1, column].set(xlabel=f"$R_{own}$", xscale="log")
    for row in axes:
        row[0].set_ylabel("evaluations")
    axes[0, 0].legend(fontsize="small")
    figure.tight_layout()
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, nargs="+", default=list(SCALES), choices=SCALES)
    parser.add_argument("--weights", type=float, nargs="+", default=[0.3, 1.0, 3.0])
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    rows: list[list[Any]] = []
    for order in (0, *options.orders):
        for factor in options.weights if order else [0.0]:
            weight = factor * SCALES[order] if order else 0.0
            rows.append([order, weight, *measured(order, weight, options.epochs, options.seeds)])
            print(f"K = {order}, weight {weight:g} done", flush=True)
    caption = (
        f"Digits, {options.epochs} epochs, {options.seeds} seed(s): evaluations of adaptive "
        f"solvers at {TOLERANCE:g} after training with a weight times R_K (K = 0: none)"
    )
    columns = [
        "K", "weight", *SOLVERS, "test %", "test loss", "training loss",
        *(f"R_{k}" for k in ORDERS), "CPU s of training",
    ]  # fmt: skip
    write_table(options.output, "orders_and_solvers", caption, columns, rows)
    write_figure(options.output, "orders_and_solvers", draw(rows))


if __name__ == "__main__":
    main()
