"""The picture of a fit: model against data, the course of the loss, unknowns with their errors."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pdesl.run.curves import COLOURS, STYLES
from pdesl.run.report import limits_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from pdesl.solvers.fit_result import FitResult, TermResult

__all__ = ["draw_fit"]

# Terms that get a panel of their own.
MOST_PANELS = 4


def draw_fit(path: Path, title: str, result: FitResult, dots_per_inch: int = 160) -> None:
    """Write the picture as a PNG."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    panels: list[Any] = [lambda axes, t=t: _draw_term(axes, t) for t in result.terms[:MOST_PANELS]]
    panels.append(lambda axes: _draw_loss(axes, result))
    if result.values:
        panels.append(lambda axes: _draw_unknowns(axes, result))
    if result.correlation is not None and len(result.values) > 1:
        panels.append(lambda axes: _draw_correlation(axes, result))
    rows = -(-len(panels) // 2)
    with matplotlib.rc_context({"font.size": 8.0, "axes.titlesize": 9.0}):
        figure = Figure(layout="constrained", figsize=(7.2, 2.6 * rows + 0.3))
        FigureCanvasAgg(figure)
        grid = figure.subplots(rows, 2, squeeze=False)
        for axes, panel in zip(grid.flat, panels, strict=False):
            panel(axes)
        for axes in grid.flat[len(panels) :]:
            axes.set_axis_off()
        figure.suptitle(f"{title} (sinode, {result.optimiser})")
        figure.savefig(path, dpi=dots_per_inch, format="png", metadata={"Software": "pdesl"})


def _draw_term(axes: Axes, term: TermResult) -> None:
    """One place: data and model over time. Many: the model against the data."""
    known = np.isfinite(term.measured)
    if term.measured.shape[2] == 1:
        times = term.times[known[:, :, 0]]
        order = np.argsort(times)
        own = term.measured[known][order]
        if term.deviation is not None:
            axes.errorbar(
                times[order], own, term.deviation, fmt="o", markersize=2.5, linewidth=0.6,
                color=COLOURS[0], label="data",
            )  # fmt: skip
        else:
            axes.plot(times[order], own, "o", markersize=2.5, color=COLOURS[0], label="data")
        axes.plot(times[order], term.modelled[known][order], color=COLOURS[2], label="model")
        axes.set_xlabel("time")
        axes.set_title(term.data)
        axes.legend(frameon=False)
        return
    measured, modelled = term.measured[known], term.modelled[known]
    chosen = np.random.default_rng(0).permutation(len(measured))[:4000]
    low, high = limits_of(measured)
    axes.plot([low, high], [low, high], color="#aaaaaa", linewidth=0.8)
    axes.plot(measured[chosen], modelled[chosen], ".", markersize=1.5, color=COLOURS[1])
    axes.set_xlabel("measured")
    axes.set_ylabel("model")
    axes.set_title(term.data)


def _draw_loss(axes: Axes, result: FitResult) -> None:
    iterations = result.history["iteration"]
    shown = {"loss": "training", "validation": "validation"}
    for position, name in enumerate(n for n in shown if n in result.history):
        values = np.asarray(result.history[name], float)
        axes.plot(
            iterations, np.where(values > 0, values, np.nan), label=shown[name],
            color=COLOURS[position], linestyle=STYLES[position],
        )  # fmt: skip
    axes.set_yscale("log")
    axes.set_xlabel("epoch" if "rate" in result.history else "iteration")
    axes.set_title("Misfit")
    axes.grid(axis="y", linewidth=0.3, color="#cccccc")
    if "validation" in result.history:
        axes.legend(frameon=False)


def _draw_unknowns(axes: Axes, result: FitResult) -> None:
    """Values as multiples of themselves, with errors of one and two deviations."""
    names = list(result.values)
    values = np.array([result.values[n] for n in names])
    errors = np.array([result.errors[n] for n in names])
    size = np.where(values != 0, np.abs(values), 1.0)
    places = np.arange(len(names))
    shown = np.nan_to_num(errors / size)
    axes.errorbar(np.zeros(len(names)), places, xerr=100 * 2 * shown, fmt="none",
                  ecolor="#aaaaaa", elinewidth=1.0)  # fmt: skip
    axes.errorbar(np.zeros(len(names)), places, xerr=100 * shown, fmt="o", color=COLOURS[1],
                  elinewidth=2.0, markersize=3)  # fmt: skip
    axes.set_yticks(places, [f"{n} = {v:.4g}" for n, v in zip(names, values, strict=True)])
    axes.set_ylim(min(places) - 0.6, max(places) + 0.6)
    axes.set_xlabel("1 and 2 standard errors, %")
    axes.set_title("Unknowns")
    axes.invert_yaxis()


def _draw_correlation(axes: Axes, result: FitResult) -> None:
    assert result.correlation is not None
    names = list(result.values)
    image = axes.imshow(result.correlation, vmin=-1, vmax=1, cmap="RdBu_r")
    axes.set_xticks(range(len(names)), names, rotation=45, ha="right")
    axes.set_yticks(range(len(names)), names)
    axes.set_title("Correlation of the unknowns")
    axes.figure.colorbar(image, ax=axes, shrink=0.8)
