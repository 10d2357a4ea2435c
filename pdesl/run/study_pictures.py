"""Pictures of studies: convergence over a ladder, methods side by side, a sweep over parameters.

Each is made from the `metrics.json` of the study alone, so that it can be drawn again in another
format.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from pdesl.run.curves import COLOURS, STYLES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["is_study", "study_pictures", "study_tables", "sweep_columns"]

Draw = Callable[["Figure"], None]

_MARKS = ("o", "s", "^", "D", "v", "P")
_GRID = {"linewidth": 0.3, "color": "#cccccc"}
MOST_ROWS = 40  # of a sweep's table that is drawn


def is_study(metrics: object) -> bool:
    """Whether metrics are those of a study of several runs."""
    return isinstance(metrics, Mapping) and ("runs" in metrics or "rungs" in metrics)


def study_pictures(metrics: Mapping[str, Any]) -> dict[str, Draw]:
    """Pictures by name, each drawn when it is called; `metrics` as in the file.

    `convergence` and `cost` of a ladder; `comparison` and, where errors are known, `cost` of
    methods; `sweep` and `table` of a sweep.
    """
    if "rungs" in metrics:
        rungs = metrics["rungs"]
        curves = {
            field: ([_size(r["errors"][field]) for r in rungs], [r["seconds"] for r in rungs])
            for field in rungs[0]["errors"]
        }
        words = [str(r["value"]) for r in rungs]
        return {
            "convergence": partial(_convergence, metrics),
            "cost": partial(_cost, f"{metrics['problem']}: error against time", curves, words),
        }
    runs = metrics["runs"]
    if "solver" in runs[0]:
        found: dict[str, Draw] = {"comparison": partial(_comparison, metrics)}
        if runs[0]["errors"]:
            found["cost"] = partial(_cost_of_methods, metrics)
        return found
    columns = sweep_columns(runs)
    found = {"table": partial(_table, str(metrics["problem"]), columns)}
    if _measured(columns, runs) and any(p is not None for p in runs[0]["places"].values()):
        found = {"sweep": partial(_sweep, metrics, columns), **found}
    return found


def study_tables(
    metrics: Mapping[str, Any],
) -> list[tuple[list[str], list[list[Any]]]]:
    """The tables of a study, each a heading and its rows; `metrics` as in the file."""
    if "rungs" in metrics:
        fields = list(metrics["rungs"][0]["errors"])
        heading = [str(metrics["option"]), "nodes"]
        heading += [f"{key}({f})" for f in fields for key in ("relative_l2", "linf")]
        rows = [
            [r["value"], r["nodes"],
             *(r["errors"][f][key] for f in fields for key in ("relative_l2", "linf")),
             r["seconds"]]
            for r in metrics["rungs"]
        ]  # fmt: skip
        found = [([*heading, "seconds"], rows)]
        orders = metrics.get("orders") or {}
        if orders:
            found.append((["field", "order"], [[f, order] for f, order in orders.items()]))
        return found
    runs = metrics["runs"]
    if "solver" not in runs[0]:
        columns = sweep_columns(runs)
        return [(list(columns), [list(row) for row in zip(*columns.values(), strict=True)])]
    known = bool(runs[0]["errors"])
    found = [r["errors"] if known else r.get("difference", {}) for r in runs]
    fields = list(dict.fromkeys(f for sizes in found for f in sizes))
    rows = [
        [r["solver"],
         *(r["errors"][f]["relative_l2"] if known else r.get("difference", {}).get(f)
           for f in fields),
         r["wall_s"], r["iterations"], r["stop_reason"]]
        for r in runs
    ]  # fmt: skip
    word = "relative_l2" if known else "difference"
    heading = ["method", *(f"{word}({f})" for f in fields), "seconds", "iterations", "ended"]
    return [(heading, rows)]


def sweep_columns(runs: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """The table of a sweep by column: run, swept values, errors, numbers, seconds."""
    columns: dict[str, list[Any]] = {"run": list(range(1, len(runs) + 1))}
    for name in runs[0]["values"]:
        columns[name] = [r["values"][name] for r in runs]
    for field in sorted({f for r in runs for f in r["errors"]}):
        for key in ("relative_l2", "linf"):
            errors = [r["errors"].get(field) for r in runs]
            columns[f"{key}({field})"] = [None if e is None else e[key] for e in errors]
    for name in dict.fromkeys(n for r in runs for n in r["numbers"]):
        columns[name] = [r["numbers"].get(name) for r in runs]
    columns["seconds"] = [r["seconds"] for r in runs]
    return columns


def _size(error: Mapping[str, Any]) -> float:
    return float(error["relative_l2"] or error["linf"])


# -- a ladder ------------------------------------------------------------------------------


def _convergence(metrics: Mapping[str, Any], figure: Figure) -> None:
    """Errors over the option that was refined, with the power that fits them."""
    rungs, option = metrics["rungs"], metrics["option"]
    plain = all(isinstance(r["value"], int | float) for r in rungs)
    values = [float(r["value"] if plain else r["nodes"]) for r in rungs]
    figure.set_size_inches(5.0, 3.6)
    axes = figure.subplots()
    for number, field in enumerate(rungs[0]["errors"]):
        errors = np.array([_size(r["errors"][field]) for r in rungs])
        order = metrics["orders"].get(field)
        label = field if order is None else f"{field}, order {order:.2f}"
        colour, mark = COLOURS[number % len(COLOURS)], _MARKS[number % len(_MARKS)]
        axes.loglog(values, errors, marker=mark, color=colour, linestyle="none", label=label)
        if len(values) > 1 and np.all(errors > 0):
            slope, height = np.polyfit(np.log(values), np.log(errors), 1)
            fitted = np.exp(height + slope * np.log(values))
            axes.loglog(values, fitted, color=colour, linewidth=0.8, linestyle="--")
    axes.set_xticks(values, [f"{value:,g}" for value in values])
    axes.tick_params(axis="x", which="minor", bottom=False, labelbottom=False)
    axes.set_xlabel(option if plain else "nodes")
    axes.set_ylabel("relative l2 error")
    axes.set_title(f"{metrics['problem']}: convergence")
    axes.grid(visible=True, which="major", **_GRID)
    axes.legend()


def _cost(
    title: str,
    curves: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    words: Sequence[str],
    figure: Figure,
) -> None:
    """Errors over seconds, each point with its words."""
    figure.set_size_inches(5.0, 3.6)
    axes = figure.subplots()
    for number, (field, (errors, seconds)) in enumerate(curves.items()):
        axes.loglog(
            seconds, errors, marker=_MARKS[number % len(_MARKS)],
            color=COLOURS[number % len(COLOURS)], linestyle=STYLES[number % len(STYLES)],
            linewidth=0.8, label=field,
        )  # fmt: skip
        if not number:
            for place, text in zip(zip(seconds, errors, strict=True), words, strict=True):
                axes.annotate(text, place, xytext=(4, 4), textcoords="offset points", fontsize=6.5)
    axes.margins(0.15)
    axes.set_xlabel("seconds")
    axes.set_ylabel("relative l2 error")
    axes.set_title(title)
    axes.grid(visible=True, which="major", **_GRID)
    if len(curves) > 1:
        axes.legend()


# -- methods side by side ------------------------------------------------------------------


def _comparison(metrics: Mapping[str, Any], figure: Figure) -> None:
    """The error, the time and the memory of every method."""
    rows = metrics["runs"]
    figure.set_size_inches(7.2, 0.9 + 0.5 * len(rows))
    names = [row["solver"] for row in rows]
    panels: list[tuple[str, list[float]]] = [
        ("solve, s", [row["solve_s"] for row in rows]),
        ("peak memory, MB", [row["peak_memory_mb"] for row in rows]),
    ]
    if rows[0]["errors"]:
        worst = [max(map(_size, row["errors"].values())) for row in rows]
        panels.insert(0, ("relative l2 error", worst))
    grid = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axes, (title, values) in zip(grid, panels, strict=True):
        # Marks and not bars: on a logarithmic scale the length of a bar means nothing.
        axes.plot(values, names, "o", color=COLOURS[1])
        axes.set_title(title)
        axes.set_xscale("log")
        axes.margins(x=0.35, y=0.25)
        axes.tick_params(axis="x", which="both", bottom=False, labelbottom=False)
        axes.tick_params(axis="y", left=False)
        axes.grid(visible=True, axis="y", **_GRID)
        for side in ("top", "right", "bottom"):
            axes.spines[side].set_visible(False)
        for position, value in enumerate(values):
            label = f"{value:,.0f}" if value >= 100 else f"{value:.2g}"
            axes.annotate(
                label, (value, position), xytext=(0, 6), textcoords="offset points",
                ha="center", fontsize=7,
            )  # fmt: skip
    grid[0].invert_yaxis()
    figure.suptitle(str(metrics["problem"]))


def _cost_of_methods(metrics: Mapping[str, Any], figure: Figure) -> None:
    rows = metrics["runs"]
    figure.set_size_inches(5.0, 3.6)
    axes = figure.subplots()
    for number, row in enumerate(rows):
        axes.loglog(
            [row["solve_s"]], [max(map(_size, row["errors"].values()))],
            marker=_MARKS[number % len(_MARKS)], color=COLOURS[number % len(COLOURS)],
            linestyle="none", label=row["solver"],
        )  # fmt: skip
    axes.margins(0.25)
    axes.set_xlabel("seconds to solve")
    axes.set_ylabel("largest relative l2 error")
    axes.set_title(f"{metrics['problem']}: error against time")
    axes.grid(visible=True, which="major", **_GRID)
    axes.legend()


# -- a sweep -------------------------------------------------------------------------------


def _measured(columns: Mapping[str, list[Any]], runs: Sequence[Mapping[str, Any]]) -> list[str]:
    """The columns that a picture shows: relative errors, else the numbers of `output:`."""
    plain = {"run", "seconds", *runs[0]["values"]}
    names = [n for n in columns if n not in plain and not n.startswith("linf(")]
    return [n for n in names if any(v is not None for v in columns[n])]


def _sweep(metrics: Mapping[str, Any], columns: Mapping[str, list[Any]], figure: Figure) -> None:
    """A panel for each measured column: its values over the first number that is swept."""
    runs = metrics["runs"]
    shown = _measured(columns, runs)
    names = list(runs[0]["values"])
    first = next(n for n in names if runs[0]["places"][n] is not None)
    places = np.array([r["places"][first] for r in runs], float)
    others = [
        ", ".join(f"{n} = {columns[n][k]}" for n in names if n != first) for k in range(len(runs))
    ]
    wide = 2 if len(shown) > 1 else 1
    rows = -(-len(shown) // wide)
    figure.set_size_inches(7.2 if wide == 2 else 4.8, 2.7 * rows + 0.4)
    grid = figure.subplots(rows, wide, squeeze=False)
    for axes, column in zip(grid.flat, shown, strict=False):
        _panel(axes, first, column, places, columns[column], others)
    for axes in grid.flat[len(shown) :]:
        axes.set_axis_off()
    figure.suptitle(f"{metrics['problem']}: sweep over {', '.join(names)}")


def _panel(
    axes: Axes,
    name: str,
    column: str,
    places: np.ndarray,
    values: Sequence[float | None],
    others: Sequence[str],
) -> None:
    sizes = np.array([np.nan if v is None else v for v in values], float)
    for number, other in enumerate(dict.fromkeys(others)):
        own = np.array([o == other for o in others])
        order = np.argsort(places[own])
        axes.plot(
            places[own][order], sizes[own][order], label=other,
            marker=_MARKS[number % len(_MARKS)], markersize=3.5, linewidth=1.0,
            color=COLOURS[number % len(COLOURS)], linestyle=STYLES[number % len(STYLES)],
        )  # fmt: skip
    if np.all(places > 0) and places.max() > 20 * places.min():
        axes.set_xscale("log")
    finite = sizes[np.isfinite(sizes)]
    if column.startswith("relative_l2(") and len(finite) and np.all(finite > 0):
        axes.set_yscale("log")
    axes.set_xlabel(name)
    axes.set_title(column)
    axes.grid(axis="y", **_GRID)
    if any(others):
        axes.legend()


def _table(problem: str, columns: Mapping[str, list[Any]], figure: Figure) -> None:
    """The table of a sweep, each column of numbers shaded by its size."""
    from matplotlib.colors import to_hex, to_rgb
    from matplotlib.transforms import Bbox

    names = list(columns)
    rows = min(len(columns["run"]), MOST_ROWS)
    figure.set_size_inches(max(4.0, 0.4 + sum(_inches(n, columns[n]) for n in names)),
                           0.75 + 0.24 * (rows + 1))  # fmt: skip
    axes = figure.subplots()
    axes.set_axis_off()
    cells = [[_text(columns[n][k]) for n in names] for k in range(rows)]
    shades = [["white"] * len(names) for _ in range(rows)]
    swept = {"run", *(n for n in names if isinstance(columns[n][0], str))}
    for place, name in enumerate(names):
        ranks = None if name in swept else _ranks(columns[name][:rows])
        if ranks is None:
            continue
        for k, rank in enumerate(ranks):
            # Between white and a pale blue, on which black letters can be read.
            shades[k][place] = to_hex(1.0 - 0.4 * rank * (1.0 - np.array(to_rgb(COLOURS[1]))))
    widths = np.array([_inches(n, columns[n]) for n in names])
    table = axes.table(
        cells, cellColours=shades, colLabels=names, colWidths=list(widths / widths.sum()),
        bbox=Bbox.unit(),
    )  # fmt: skip
    table.auto_set_font_size(False)
    table.set_fontsize(7)
    for (row, _), cell in table.get_celld().items():
        cell.set_linewidth(0.3)
        cell.set_edgecolor("#cccccc")
        if not row:
            cell.set_text_props(weight="bold")
    left = len(columns["run"]) - rows
    axes.set_title(f"{problem}: sweep" + (f", {left} more runs in sweep.csv" if left else ""))


def _text(value: Any) -> str:
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


def _inches(name: str, values: Sequence[Any]) -> float:
    return 0.25 + 0.075 * max(len(name), *(len(_text(v)) for v in values))


def _ranks(values: Sequence[float | None]) -> np.ndarray | None:
    """Places between the least and the largest value, 0 to 1; logarithmic where they reach far."""
    sizes = np.array([np.nan if v is None else v for v in values], float)
    if not np.isfinite(sizes).any() or np.nanmax(sizes) == np.nanmin(sizes):
        return None
    if np.nanmin(sizes) > 0 and np.nanmax(sizes) > 20 * np.nanmin(sizes):
        sizes = np.log(sizes)
    low, high = np.nanmin(sizes), np.nanmax(sizes)
    return np.nan_to_num((sizes - low) / (high - low))
