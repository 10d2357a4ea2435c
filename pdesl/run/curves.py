"""Curves beside the maps of a picture: losses over iterations, errors over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["COLOURS", "STYLES", "draw_course", "draw_history"]

_INK = "#222222"
STYLES = ("-", "--", ":", "-.")
COLOURS = (_INK, "#0072b2", "#d55e00", "#009e73", "#cc79a7")


def draw_history(axes: Axes, history: Mapping[str, NDArray]) -> None:
    along = "time" if "time" in history else "iteration"
    names = [name for name in history if name != along]
    for position, name in enumerate(names):
        values = np.asarray(history[name], float)
        iterations = history.get(along, np.arange(len(values)))
        axes.plot(
            iterations, np.where(values > 0, values, np.nan), label=name.replace("_", " "),
            linestyle=STYLES[position % len(STYLES)],
            color=COLOURS[position % len(COLOURS)],
            linewidth=1.2 if position == 0 else 0.9,
        )  # fmt: skip
    axes.set_yscale("log")
    axes.set_xlabel(along)
    # What a training lowers is its loss; other methods record residuals or steps.
    title = (
        "Training loss" if "loss" in history else ", ".join(names).replace("_", " ").capitalize()
    )
    axes.set_title(title)
    axes.grid(axis="y", linewidth=0.3, color="#cccccc")
    if len(names) > 1:
        axes.legend(loc="best")


def draw_course(axes: Axes, course: Mapping[str, Sequence[float | None]]) -> None:
    """Relative errors by field over time."""
    times = np.asarray(course["times"], float)
    for position, (name, errors) in enumerate((n, e) for n, e in course.items() if n != "times"):
        values = np.array([np.nan if e is None or e <= 0 else e for e in errors], float)
        axes.plot(
            times, values, label=name,
            linestyle=STYLES[position % len(STYLES)],
            color=COLOURS[position % len(COLOURS)],
        )  # fmt: skip
    axes.set_yscale("log")
    axes.set_xlabel("time")
    axes.set_title("Relative l2 error over time")
    axes.grid(axis="y", linewidth=0.3, color="#cccccc")
    if len(course) > 2:
        axes.legend(loc="best")
