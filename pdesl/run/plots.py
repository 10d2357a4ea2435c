"""The pictures of `pdesl plot`: one file for each thing that a result can show.

Every picture is made from the result folder alone. Fields have one scale over all times and slices,
errors a logarithmic one; colour maps are perceptually uniform and keep their order in grey, and
what differs in colour differs in form as well.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pdesl.diagnostics import OutputError
from pdesl.run.curves import COLOURS, STYLES, draw_course, draw_history
from pdesl.run.planes import Plane, evaluate_in_chunks, make_plane
from pdesl.run.report import (
    STYLE,
    PictureData,
    colour_bar,
    draw_lines,
    draw_nodes,
    draw_slices,
    error_limits,
    frame_axes,
    limits_of,
    map_error,
    map_solution,
    slice_words,
)
from pdesl.run.report_time import course_picture, draw_space_time
from pdesl.run.solution import SavedSolution, load_solution
from pdesl.run.study_pictures import is_study

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "Result", "make_movie", "picture_data", "pictures", "read_metrics", "read_result",
    "render_picture",
]  # fmt: skip

Draw = Callable[["Figure"], None]

RESOLUTION = 240
WIDTH = 7.2  # inches
SNAPSHOTS = 6
_INK = "#222222"


@dataclass(frozen=True, slots=True)
class Result:
    """A result folder: its solution and its metrics."""

    folder: Path
    solution: SavedSolution
    metrics: Mapping[str, Any]


def read_result(folder: Path) -> Result:
    """The result in a folder.

    Raises:
        OutputError: E816 where there is none, or several.
    """
    metrics = read_metrics(folder)
    if is_study(metrics):
        raise OutputError(
            f"`{folder}` is a study of several runs, and this is about one of them",
            code="E816",
            advice="give the folder of one run; `pdesl plot` and `pdesl report` show studies too",
        )
    return Result(folder, load_solution(folder), metrics)


def read_metrics(folder: Path) -> Mapping[str, Any]:
    """The metrics of a run or of a study.

    Raises:
        OutputError: E816 where there are none.
    """
    try:
        found = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise OutputError(
            f"`{folder}` is no result of pdesl: it has no `metrics.json`"
            if isinstance(error, FileNotFoundError)
            else f"`{folder}` is no result of pdesl: its `metrics.json` cannot be read",
            code="E816",
            advice="give the folder that `pdesl run` wrote",
        ) from error
    return found if isinstance(found, dict) else {}


def picture_data(result: Result) -> PictureData:
    """What pictures show of a result; errors where the problem has a known solution."""
    from pdesl.lowering.places import join_time
    from pdesl.run.known import exact_solution

    solution, nodal = result.solution, result.solution.nodal
    task = solution.task
    span = task.time_span
    exact = exact_solution(task)
    units = {n: f.unit for n, f in nodal.fields.items() if f.unit} | dict(nodal.coordinate_units)
    course = result.metrics.get("errors_over_time", {})

    def values(inputs: NDArray) -> Mapping[str, NDArray]:
        return dict(zip(solution.fields, solution.function.values(inputs), strict=True))

    def moment(function: Callable[[NDArray], Mapping[str, NDArray]]) -> Any:
        return lambda x, t: function(join_time(task.system, x, np.full(len(x), t)))

    def at_end(function: Callable[[NDArray], Mapping[str, NDArray]]) -> Any:
        return function if span is None else partial(_at, moment(function), span[1])

    if not task.region.dimension:
        solver, steps = (
            str(result.metrics.get("solver", "")),
            nodal.history.get("time", np.zeros(0)),
        )
        made = course_picture(task, solver, values, exact, nodal.history, steps)
        return replace(made, units=units, course=course, known=tuple(task.system.exact))
    points = np.stack(list(nodal.coordinates.values()), axis=1)
    lower, upper = task.region.bounding_box()
    title = task.system.problem.name + ("" if span is None else f" at t = {span[1]:g}")
    return PictureData(
        title=f"{title} ({result.metrics.get('solver', '')})",
        coordinates=tuple(nodal.coordinates),
        level=task.region.level,
        lower=np.asarray(lower, float),
        upper=np.asarray(upper, float),
        evaluate=at_end(values),
        interior=points[nodal.kind == 0],
        boundary=points[nodal.kind == 1],
        ghost=np.zeros((0, points.shape[1])),
        exact=None if exact is None else at_end(exact),
        known=tuple(task.system.exact),
        history={k: v for k, v in nodal.history.items() if k in ("iteration", "loss", "residual")},
        units=units,
        times=span,
        over_time=None if span is None else moment(values),
        exact_over_time=None if span is None or exact is None else moment(exact),
        course=course,
    )


def _at(function: Any, t: float, points: NDArray) -> Mapping[str, NDArray]:
    return function(points, t)


def pictures(
    result: Result, fields: Sequence[str] = (), times: Sequence[float] | None = None
) -> dict[str, Draw]:
    """Pictures by name, each drawn when it is called.

    Args:
        result: what is shown.
        fields: the fields to show, all by default.
        times: of snapshots in the plane, in ascending order.
    """
    data = picture_data(result)
    names = list(fields) or list(result.solution.fields)
    found: dict[str, Draw] = {}
    dimension = len(data.coordinates)
    for name in names:
        own = _only(data, name)
        if dimension == 2 and data.over_time is not None:
            moments = _moments(data, times)
            found[f"{name}_times"] = partial(_snapshots, own, name, moments, error=False)
            if own.exact is not None:
                found[f"{name}_error_times"] = partial(_snapshots, own, name, moments, error=True)
        if dimension == 2:
            found[name] = partial(_map, own, name)
            if own.exact is not None:
                found[f"{name}_error"] = partial(_map_of_error, own, name)
        elif dimension == 1:
            bare = replace(own, history={}, course={})
            draw = draw_lines if data.over_time is None else draw_space_time
            found[name] = partial(_whole, draw, bare)
        else:
            found[name] = partial(_whole, draw_slices, replace(own, history={}))
    if dimension == 2:
        for vector, components in _vectors(result.solution, names):
            found[f"{vector}_streamlines"] = partial(_streamlines, data, vector, components)
        found["nodes"] = partial(_nodes, data)
    elif dimension > 2:
        found["nodes"] = partial(_nodes, data)
    if len(data.history) > 1:
        found["steps" if "step" in data.history else "training"] = partial(
            _curve, draw_history, data.history
        )
    if data.course:
        found["errors_over_time"] = partial(_curve, draw_course, data.course)
    return found


def render_picture(draw: Draw, kind: str = "png", dots_per_inch: int = 200) -> bytes:
    """A picture as the content of a file of a kind: png, svg or pdf."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    style = {**STYLE, "svg.fonttype": "path", "svg.hashsalt": "pdesl"}
    metadata = {"png": {"Software": "pdesl"}, "svg": {"Date": None}}.get(kind)
    with matplotlib.rc_context(style):  # pyright: ignore[reportArgumentType]
        figure = Figure(layout="constrained")
        FigureCanvasAgg(figure)
        draw(figure)
        stream = io.BytesIO()
        figure.savefig(
            stream, dpi=dots_per_inch, format=kind, metadata=metadata or {"CreationDate": None}
        )
    return stream.getvalue()


def _only(data: PictureData, name: str) -> PictureData:
    """The same with one field."""

    def first(function: Any) -> Any:
        return None if function is None else lambda *a: {name: function(*a)[name]}

    known = name in data.known
    return replace(
        data,
        evaluate=first(data.evaluate),
        exact=first(data.exact) if known else None,
        over_time=first(data.over_time),
        exact_over_time=first(data.exact_over_time) if known else None,
    )


def _vectors(solution: SavedSolution, names: Sequence[str]) -> list[tuple[str, tuple[str, str]]]:
    """Vector fields whose components are both shown."""
    found = []
    for field in solution.task.system.problem.unknown_fields:
        parts = field.components
        if field.rank == 1 and len(parts) == 2 and all(part in names for part in parts):
            found.append((field.name, (parts[0], parts[1])))
    return found


def _moments(data: PictureData, times: Sequence[float] | None) -> NDArray:
    assert data.times is not None
    if times is not None:
        return np.array(times, float)
    return np.linspace(*data.times, SNAPSHOTS)


# -- drawing -------------------------------------------------------------------------------


def _size(figure: Figure, data: PictureData, columns: int = 1, rows: int = 1) -> None:
    width, height = data.upper[:2] - data.lower[:2]
    panel = (WIDTH if columns > 1 else 4.6) / columns
    tall = float(np.clip(0.78 * panel * height / width, 0.3 * panel, 1.6 * panel))
    figure.set_size_inches(panel * columns, tall * rows + 0.55)


def _whole(draw: Callable[..., None], data: PictureData, figure: Figure) -> None:
    draw(figure, data, RESOLUTION)
    figure.suptitle(data.title, color=_INK)


def _map(data: PictureData, name: str, figure: Figure) -> None:
    plane = make_plane(data.level, data.lower, data.upper, (0, 1), RESOLUTION)
    values = evaluate_in_chunks(data.evaluate, plane.points)[name]
    _size(figure, data)
    axes = figure.add_subplot()
    inside = plane.level[plane.near] <= 0
    shown = map_solution(axes, plane, values, limits_of(values[inside]))
    frame_axes(axes, data, 0, 1, data.title)
    colour_bar(figure, shown, axes, data.label(name))


def _map_of_error(data: PictureData, name: str, figure: Figure) -> None:
    assert data.exact is not None
    plane = make_plane(data.level, data.lower, data.upper, (0, 1), RESOLUTION)
    values = evaluate_in_chunks(data.evaluate, plane.points)[name]
    error = np.abs(values - evaluate_in_chunks(data.exact, plane.points)[name])
    _size(figure, data)
    axes = figure.add_subplot()
    limits = error_limits(error[plane.level[plane.near] <= 0])
    shown = map_error(axes, plane, error, limits)
    frame_axes(axes, data, 0, 1, f"{data.title}: error, at most {limits[1]:.1e}")
    colour_bar(figure, shown, axes, f"|{name} − exact {name}|")


def _snapshots(
    data: PictureData, name: str, times: NDArray, figure: Figure, *, error: bool
) -> None:
    assert data.over_time is not None
    plane = make_plane(data.level, data.lower, data.upper, (0, 1), RESOLUTION // 2)
    tables = [_at_time(data, plane, name, t, error=error) for t in times]
    inside = plane.level[plane.near] <= 0
    whole = np.concatenate([table[inside] for table in tables])
    limits = error_limits(whole) if error else limits_of(whole)
    columns = min(3, len(times))
    rows = -(-len(times) // columns)
    _size(figure, data, columns, rows)
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    draw = map_error if error else map_solution
    shown = None
    for axes, t, table in zip(grid.flat, times, tables, strict=False):
        shown = draw(axes, plane, table, limits)
        frame_axes(axes, data, 0, 1, f"t = {t:.4g}")
        axes.label_outer()
    for axes in grid.flat[len(times) :]:
        axes.set_axis_off()
    label = f"|{name} − exact {name}|" if error else data.label(name)
    colour_bar(figure, shown, list(grid.flat), label)


def _at_time(data: PictureData, plane: Plane, name: str, t: float, *, error: bool) -> NDArray:
    assert data.over_time is not None
    values = evaluate_in_chunks(partial(_at, data.over_time, t), plane.points)[name]
    if not error:
        return values
    exact = evaluate_in_chunks(partial(_at, data.exact_over_time, t), plane.points)[name]
    return np.abs(values - exact)


def _streamlines(
    data: PictureData, vector: str, components: tuple[str, str], figure: Figure
) -> None:
    plane = make_plane(data.level, data.lower, data.upper, (0, 1), RESOLUTION)
    found = evaluate_in_chunks(data.evaluate, plane.points)
    first, second = (found[name] for name in components)
    _size(figure, data)
    axes = figure.add_subplot()
    speed = np.hypot(first, second)
    inside = plane.level <= 0
    limits = limits_of(speed[plane.level[plane.near] <= 0])
    shown = map_solution(axes, plane, speed, limits, contours=False)
    arrows = [np.where(inside, plane.fill(part), np.nan) for part in (first, second)]
    axes.streamplot(
        plane.horizontal[0], plane.vertical[:, 0], *arrows, color="white", linewidth=0.6,
        arrowsize=0.7, density=1.3,
    )  # fmt: skip
    frame_axes(axes, data, 0, 1, data.title)
    colour_bar(figure, shown, axes, f"|{vector}|")


def _nodes(data: PictureData, figure: Figure) -> None:
    _size(figure, data)
    draw_nodes(figure.add_subplot(), data, (0, 1))


def _curve(draw: Callable[..., None], table: Mapping[str, Any], figure: Figure) -> None:
    figure.set_size_inches(4.6, 2.9)
    draw(figure.add_subplot(), table)


# -- movies --------------------------------------------------------------------------------


def make_movie(path: Path, result: Result, name: str, frames: int, rate: int = 12) -> None:
    """A field over time, as an animated `.gif`, or as `.mp4` where ffmpeg is installed.

    Lines in one dimension, maps in the plane, slices through the centre in more dimensions.

    Raises:
        OutputError: E818 a problem without time, or in time alone; E814 another suffix, or no
            ffmpeg.
    """
    import matplotlib
    from matplotlib import animation
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    data = picture_data(result)
    in_space = result.solution.region.dimension > 0
    if data.times is None or not in_space:
        reason = "has no time" if in_space else "has time alone"
        raise OutputError(
            f"no movie can be made of `{name}`: the problem {reason}",
            code="E818",
            advice="`pdesl plot` without --movie draws its pictures",
        )
    writers = {".gif": "pillow", ".mp4": "ffmpeg"}
    kind = writers.get(path.suffix)
    if kind is None or not animation.writers.is_available(kind):
        raise OutputError(
            f"a movie cannot be written as `{path.name}`",
            code="E814",
            advice="end its name in .gif"
            + (", or install ffmpeg" if path.suffix == ".mp4" else ""),
        )
    times = np.linspace(*data.times, frames)
    draw = {1: _film_of_lines, 2: _film_of_maps}.get(len(data.coordinates), _film_of_slices)
    with matplotlib.rc_context(STYLE):  # pyright: ignore[reportArgumentType]
        figure = Figure()
        FigureCanvasAgg(figure)
        update = draw(figure, data, name, times)
        writer = animation.writers[kind](fps=rate)
        with writer.saving(figure, str(path), dpi=120):
            for number in range(frames):
                update(number)
                writer.grab_frame()


def _film_of_lines(
    figure: Figure, data: PictureData, name: str, times: NDArray
) -> Callable[[int], None]:
    assert data.over_time is not None
    points = np.linspace(float(data.lower[0]), float(data.upper[0]), 2 * RESOLUTION)[:, None]
    tables = [data.over_time(points, float(t))[name] for t in times]
    figure.set_size_inches(4.8, 3.2)
    axes = figure.add_subplot()
    low, high = limits_of(np.concatenate(tables))
    pad = 0.05 * (high - low)
    axes.set_ylim(low - pad, high + pad)
    axes.set_xlabel(data.label(data.coordinates[0]))
    axes.set_ylabel(data.label(name))
    (line,) = axes.plot(
        points[:, 0], tables[0], color=COLOURS[1], linewidth=1.4, linestyle=STYLES[0]
    )
    figure.subplots_adjust(left=0.16, right=0.97, bottom=0.16, top=0.9)

    def update(number: int) -> None:
        line.set_ydata(tables[number])
        axes.set_title(f"{name} at t = {times[number]:.4g}")

    return update


def _film_of_maps(
    figure: Figure, data: PictureData, name: str, times: NDArray
) -> Callable[[int], None]:
    plane = make_plane(data.level, data.lower, data.upper, (0, 1), RESOLUTION // 2)
    tables = [_at_time(data, plane, name, float(t), error=False) for t in times]
    inside = plane.level[plane.near] <= 0
    limits = limits_of(np.concatenate([table[inside] for table in tables]))
    _size(figure, data)

    def update(number: int) -> None:
        figure.clear()
        axes = figure.add_subplot()
        shown = map_solution(axes, plane, tables[number], limits)
        frame_axes(axes, data, 0, 1, f"{name} at t = {times[number]:.4g}")
        colour_bar(figure, shown, axes, data.label(name))

    return update


def _film_of_slices(
    figure: Figure, data: PictureData, name: str, times: NDArray
) -> Callable[[int], None]:
    planes = [
        make_plane(data.level, data.lower, data.upper, axes, RESOLUTION // 3)
        for axes in ((0, 1), (0, 2), (1, 2))
    ]
    tables = [
        [_at_time(data, plane, name, float(t), error=False) for plane in planes] for t in times
    ]
    inside = [plane.level[plane.near] <= 0 for plane in planes]
    limits = limits_of(
        np.concatenate([v[i] for row in tables for v, i in zip(row, inside, strict=True)])
    )
    figure.set_size_inches(WIDTH, 2.9)
    figure.set_layout_engine("constrained")

    def update(number: int) -> None:
        figure.clear()
        grid = figure.subplots(1, 3)
        shown = None
        for axes, plane, values in zip(grid, planes, tables[number], strict=True):
            frame_axes(axes, data, *plane.axes, slice_words(data, plane.axes))
            shown = map_solution(axes, plane, values, limits) if not plane.empty else shown
        if shown is not None:
            colour_bar(figure, shown, list(grid), data.label(name))
        figure.suptitle(f"{name} at t = {times[number]:.4g}", color=_INK)

    return update
