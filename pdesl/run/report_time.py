"""Pictures over time: maps and lines in one dimension and time, lines in time alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pdesl.run.curves import draw_course, draw_history
from pdesl.run.planes import Evaluate
from pdesl.run.report import (
    Moment,
    PictureData,
    colour_bar,
    error_limits,
    limits_of,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from pdesl.solvers.base import Task

__all__ = ["course_picture", "draw_space_time"]

LINES = 6  # times that are drawn as lines, the first and the last included
ROWS = 201  # times of a map


def course_picture(
    task: Task,
    solver: str,
    evaluate: Evaluate,
    exact: Evaluate | None,
    history: Mapping[str, NDArray],
    steps: ArrayLike,
) -> PictureData:
    """A problem in time alone: time takes the part of the coordinate, its steps that of nodes.

    Args:
        task: the problem.
        solver: the name of the method.
        evaluate, exact: times (n, 1) to values by field.
        history: the sizes of the steps, `step` at `time`, are shown.
        steps: times at which the solution is kept, (k,).
    """
    span, time = task.time_span, task.system.time_symbol
    assert span is not None
    assert time is not None
    none = np.zeros((0, 1))
    return PictureData(
        title=f"{task.system.problem.name} ({solver})",
        coordinates=(time.name,),
        level=lambda x: np.maximum(span[0] - x[:, 0], x[:, 0] - span[1]),
        lower=np.array(span[:1]),
        upper=np.array(span[1:]),
        evaluate=evaluate,
        interior=np.asarray(steps, float)[:, None],
        boundary=none,
        ghost=none,
        exact=exact,
        history={k: history[k] for k in ("time", "step") if k in history},
    )


def _table(function: Moment, points: NDArray, times: NDArray) -> dict[str, NDArray]:
    """Values (times, points) by field."""
    parts = [function(points, float(t)) for t in times]
    return {name: np.stack([part[name] for part in parts]) for name in parts[0]}


def draw_space_time(figure: Figure, data: PictureData, resolution: int) -> None:
    """For each field its map over space and time, lines, and the error where it is known."""
    assert data.over_time is not None
    assert data.times is not None
    low, high = float(data.lower[0]), float(data.upper[0])
    points = np.linspace(low, high, resolution + 1)[:, None]
    times = np.linspace(*data.times, ROWS)
    fields = _table(data.over_time, points, times)
    exact = _table(data.exact_over_time, points, times) if data.exact_over_time else {}
    below = [p for p in ("history", "course") if getattr(data, p)]
    rows = len(fields) + len(exact)
    rows += bool(below)
    figure.set_size_inches(7.2, 2.5 * rows + 0.3)
    grid = figure.subplots(rows, 2, squeeze=False)
    row = 0
    for name, values in fields.items():
        _map(figure, grid[row, 0], data, name, points, times, values)
        _lines(grid[row, 1], data, name, points, times, values, exact.get(name))
        row += 1
        if name in exact:
            _errors(figure, grid[row], data, name, points, times, values - exact[name])
            row += 1
    for axes, what in zip(grid[row] if below else (), below, strict=False):
        if what == "history":
            draw_history(axes, data.history)
        else:
            draw_course(axes, data.course)
    if len(below) == 1:
        grid[row, 1].set_axis_off()


def _map(
    figure: Figure,
    axes: Axes,
    data: PictureData,
    name: str,
    points: NDArray,
    times: NDArray,
    values: NDArray,
) -> None:
    low, high = limits_of(values)
    shown = axes.pcolormesh(
        points[:, 0], times, values, shading="gouraud", cmap="viridis", vmin=low, vmax=high,
        rasterized=True,
    )  # fmt: skip
    axes.set_xlabel(data.label(data.coordinates[0]))
    axes.set_ylabel("time")
    axes.set_title(f"Solution {name}")
    colour_bar(figure, shown, axes, data.label(name))


def _lines(
    axes: Axes,
    data: PictureData,
    name: str,
    points: NDArray,
    times: NDArray,
    values: NDArray,
    exact: NDArray | None,
) -> None:
    import matplotlib

    colours = matplotlib.colormaps["viridis"](np.linspace(0.0, 0.9, LINES))
    chosen = np.linspace(0, len(times) - 1, LINES).round().astype(int)
    for colour, index in zip(colours, chosen, strict=True):
        axes.plot(
            points[:, 0], values[index], color=colour, linewidth=1.1, label=f"t = {times[index]:g}"
        )
        if exact is not None:
            axes.plot(
                points[:, 0], exact[index], color="#222222", linewidth=0.6,
                linestyle=(0, (4, 3)),
            )  # fmt: skip
    axes.set_xlabel(data.label(data.coordinates[0]))
    axes.set_title(data.label(name) + (", exact values dashed" if exact is not None else ""))
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))


def _errors(
    figure: Figure,
    pair: NDArray,
    data: PictureData,
    name: str,
    points: NDArray,
    times: NDArray,
    difference: NDArray,
) -> None:
    from matplotlib.colors import LogNorm

    size = np.abs(difference)
    low, high = error_limits(size)
    shown = pair[0].pcolormesh(
        points[:, 0], times, np.maximum(size, low), shading="gouraud", cmap="magma",
        norm=LogNorm(low, high), rasterized=True,
    )  # fmt: skip
    pair[0].set_xlabel(data.label(data.coordinates[0]))
    pair[0].set_ylabel("time")
    pair[0].set_title(f"Pointwise error, at most {high:.1e}")
    colour_bar(figure, shown, pair[0], f"|{name} − exact {name}|")
    pair[1].semilogy(points[:, 0], np.maximum(size[-1], low), color="#222222", linewidth=0.9)
    pair[1].set_xlabel(data.label(data.coordinates[0]))
    pair[1].set_title(f"Pointwise error at t = {times[-1]:g}")
    pair[1].grid(axis="y", linewidth=0.3, color="#cccccc")
