"""The picture of a prediction: curves over time, maps over time and place, or the last state."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pdesl.ir.system import System
from pdesl.run.curves import COLOURS, STYLES

if TYPE_CHECKING:
    from pdesl.run.predict import Prediction

__all__ = ["draw_prediction"]


def draw_prediction(path: Path, title: str, system: System, prediction: Prediction) -> None:
    """Write the picture as a PNG."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    names = list(prediction.values)
    dimension = 0 if prediction.points is None else prediction.points.shape[1]
    rows = 1 if dimension == 0 else len(names)
    with matplotlib.rc_context({"font.size": 8.0, "axes.titlesize": 9.0}):
        figure = Figure(layout="constrained", figsize=(7.2, 2.8 * rows))
        FigureCanvasAgg(figure)
        grid = figure.subplots(rows, 1, squeeze=False)[:, 0]
        if dimension == 0:
            _draw_curves(grid[0], system, prediction)
        for axes, name in zip(grid, names if dimension else [], strict=False):
            shown = (_draw_course if dimension == 1 else _draw_last)(axes, prediction, name)
            figure.colorbar(shown, ax=axes, label=name)
            axes.set_xlabel("time" if dimension == 1 else str(system.space_symbols[0]))
            axes.set_ylabel(str(system.space_symbols[0 if dimension == 1 else 1]))
        figure.suptitle(title)
        figure.savefig(path, dpi=160, format="png", metadata={"Software": "pdesl"})


def _draw_curves(axes: Any, system: System, prediction: Prediction) -> None:
    for k, (name, values) in enumerate(prediction.values.items()):
        axes.plot(prediction.times, values[:, 0], label=name, color=COLOURS[k % len(COLOURS)],
                  linestyle=STYLES[k % len(STYLES)])  # fmt: skip
    axes.set_xlabel(str(system.time_symbol))
    axes.legend(frameon=False)


def _draw_course(axes: Any, prediction: Prediction, name: str) -> Any:
    assert prediction.points is not None
    order = np.argsort(prediction.points[:, 0])
    return axes.pcolormesh(
        prediction.times, prediction.points[order, 0], prediction.values[name][:, order].T,
        shading="nearest", cmap="viridis", rasterized=True,
    )  # fmt: skip


def _draw_last(axes: Any, prediction: Prediction, name: str) -> Any:
    """The last state at its points, of more dimensions on their first two."""
    assert prediction.points is not None
    axes.set_aspect("equal")
    return axes.scatter(
        prediction.points[:, 0], prediction.points[:, 1], c=prediction.values[name][-1], s=6,
        cmap="viridis",
    )  # fmt: skip
