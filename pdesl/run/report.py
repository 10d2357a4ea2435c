"""The picture of a solution: the solution and its error on the true domain, nodes and losses.

Drawn with Matplotlib's Agg canvas, without its global state. Colour maps are perceptually uniform
and safe for the colour-blind (viridis, magma); lines and marks differ in form as well as colour.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pdesl.run.curves import COLOURS, STYLES, draw_course, draw_history
from pdesl.run.planes import Evaluate, Plane, evaluate_in_chunks, make_plane

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "STYLE",
    "Moment",
    "PictureData",
    "colour_bar",
    "draw_nodes",
    "error_limits",
    "frame_axes",
    "limits_of",
    "map_error",
    "map_solution",
    "plot_solution",
    "slice_words",
]

Moment = Callable[[NDArray, float], Mapping[str, NDArray]]
"""(n, d) points and a time to field → (n,) values."""

_INK = "#222222"
_ERROR_MAP = "magma"
_DECADES = 5  # of the error that the logarithmic scale shows below the largest
STYLE = {
    "font.size": 8.0,
    "axes.titlesize": 9.0,
    "axes.labelsize": 8.0,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.labelsize": 7.0,
    "ytick.labelsize": 7.0,
    "legend.fontsize": 7.0,
    "legend.frameon": False,
    "figure.titlesize": 10.0,
    "mathtext.fontset": "dejavusans",
}


@dataclass(frozen=True, slots=True)
class PictureData:
    """What a picture shows.

    level: (n, d) → (n,), negative inside the region, zero on its boundary.
    lower, upper: corners (d,) of a box around the region.
    coordinates: names of the d axes; units: field or coordinate → unit, where it has one.
    evaluate: (n, d) → field → (n,); exact: the same for the exact solution, or None; known: the
        fields that it tells.
    interior, boundary, ghost: nodes, each (k, d).
    history: `iteration` and the losses by name, each (k,).
    times: first and last time; over_time, exact_over_time: the solutions at any time.
    course: relative errors by field at `times`.
    """

    title: str
    coordinates: tuple[str, ...]
    level: Callable[[NDArray], NDArray]
    lower: NDArray
    upper: NDArray
    evaluate: Evaluate
    interior: NDArray
    boundary: NDArray
    ghost: NDArray
    exact: Evaluate | None = None
    known: tuple[str, ...] = ()
    history: Mapping[str, NDArray] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    times: tuple[float, float] | None = None
    over_time: Moment | None = None
    exact_over_time: Moment | None = None
    course: Mapping[str, Sequence[float | None]] = field(default_factory=dict)

    def label(self, name: str) -> str:
        unit = self.units.get(name, "1")
        return name if unit in ("", "1") else f"{name} [{unit}]"


def plot_solution(
    path: Path, data: PictureData, *, resolution: int = 320, dots_per_inch: int = 200
) -> None:
    """Write the picture as a PNG.

    One dimension: the solution as a line with its exact values, and the error. Two: filled maps on
    the true domain. Three and more: slices through the centre of the box, and a histogram of the
    error. Every picture has the nodes and the losses too.

    Args:
        path: the file to write.
        data: what to show.
        resolution: points along the longer side of a map.
        dots_per_inch: of a picture that is 7.2 inches wide.
    """
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    draw = {1: draw_lines, 2: _draw_maps}.get(len(data.coordinates), draw_slices)
    if len(data.coordinates) == 1 and data.over_time is not None:
        from pdesl.run.report_time import draw_space_time

        draw = draw_space_time
    with matplotlib.rc_context(STYLE):  # pyright: ignore[reportArgumentType]
        figure = Figure(layout="constrained")
        FigureCanvasAgg(figure)
        draw(figure, data, resolution)
        figure.suptitle(data.title, color=_INK)
        figure.savefig(path, dpi=dots_per_inch, format="png", metadata={"Software": "pdesl"})


def _outline(axes: Axes, plane: Plane) -> Any:
    """Draw the boundary; returns a patch to clip with, None where the plane misses the region."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path as Outline

    if plane.empty:
        return None
    axes.contour(
        plane.horizontal, plane.vertical, plane.level, [0.0], colors=_INK, linewidths=0.8, zorder=4
    )
    inside = axes.contourf(
        plane.horizontal, plane.vertical, plane.level, [-np.inf, 0.0], colors="none", alpha=0
    )
    paths = [path for path in inside.get_paths() if len(path)]
    patch = PathPatch(Outline.make_compound_path(*paths), transform=axes.transData, visible=False)
    axes.add_patch(patch)
    return patch


def frame_axes(axes: Axes, data: PictureData, i: int, j: int, title: str) -> None:
    margin = 0.04 * max(data.upper[i] - data.lower[i], data.upper[j] - data.lower[j])
    axes.set_xlim(data.lower[i] - margin, data.upper[i] + margin)
    axes.set_ylim(data.lower[j] - margin, data.upper[j] + margin)
    axes.set_aspect("equal")
    axes.set_xlabel(data.label(data.coordinates[i]))
    axes.set_ylabel(data.label(data.coordinates[j]), rotation=0, ha="right")
    axes.set_title(title)


def _nothing(axes: Axes, words: str) -> None:
    axes.text(0.5, 0.5, words, ha="center", va="center", transform=axes.transAxes, color=_INK)
    axes.set_axis_off()


def map_solution(
    axes: Axes,
    plane: Plane,
    values: NDArray,
    limits: tuple[float, float],
    *,
    contours: bool = True,
) -> Any:
    low, high = limits
    grid = np.ma.masked_invalid(plane.fill(values))
    image = axes.pcolormesh(
        plane.horizontal, plane.vertical, grid, shading="gouraud", cmap="viridis", vmin=low,
        vmax=high, rasterized=True,
    )  # fmt: skip
    shown: list[Any] = [image]
    # Matplotlib warns where no level is met, as on a slice where the field is constant.
    levels = [v for v in np.linspace(low, high, 12)[1:-1] if grid.min() < v < grid.max()]
    if levels and contours:
        shown.append(
            axes.contour(
                plane.horizontal, plane.vertical, grid, levels, colors="white", linewidths=0.35,
                linestyles="solid", alpha=0.7,
            )
        )  # fmt: skip
    clip = _outline(axes, plane)
    for artist in shown:
        if clip is not None:
            artist.set_clip_path(clip)
    return image


def map_error(axes: Axes, plane: Plane, error: NDArray, limits: tuple[float, float]) -> Any:
    from matplotlib.colors import LogNorm

    low, high = limits
    grid = np.ma.masked_invalid(np.maximum(plane.fill(error), low))
    image = axes.pcolormesh(
        plane.horizontal, plane.vertical, grid, shading="gouraud", cmap=_ERROR_MAP,
        norm=LogNorm(low, high), rasterized=True,
    )  # fmt: skip
    clip = _outline(axes, plane)
    if clip is not None:
        image.set_clip_path(clip)
    return image


def limits_of(values: NDArray) -> tuple[float, float]:
    """Range of a field, widened where it is constant."""
    finite = values[np.isfinite(values)]
    if not len(finite):
        return 0.0, 1.0
    low, high = float(finite.min()), float(finite.max())
    if high - low <= 1e-12 * max(abs(low), abs(high), 1e-300):
        pad = 0.5 * abs(low) or 0.5
        return low - pad, high + pad
    return low, high


def error_limits(error: NDArray) -> tuple[float, float]:
    """Logarithmic range that ends at the largest error and leaves out its few zeros."""
    finite = error[np.isfinite(error) & (error > 0)]
    if not len(finite):
        return 1e-17, 1e-16
    high = float(finite.max())
    low = max(float(np.quantile(finite, 0.005)), high * 10.0**-_DECADES)
    return min(low, high / 10), high


def colour_bar(figure: Figure, shown: Any, axes: Any, label: str) -> None:
    bar = figure.colorbar(shown, ax=axes, shrink=0.9, aspect=24, pad=0.02)
    bar.set_label(label)
    bar.ax.spines[:].set_visible(False)


def _draw_maps(figure: Figure, data: PictureData, resolution: int) -> None:
    plane = make_plane(data.level, data.lower, data.upper, (0, 1), resolution)
    inside = plane.level[plane.near] <= 0
    fields = evaluate_in_chunks(data.evaluate, plane.points)
    exact = evaluate_in_chunks(data.exact, plane.points) if data.exact is not None else {}
    panels: list[Callable[[Axes], None]] = []

    def solution(name: str) -> Callable[[Axes], None]:
        def draw(axes: Axes) -> None:
            shown = map_solution(axes, plane, fields[name], limits_of(fields[name][inside]))
            frame_axes(axes, data, 0, 1, f"Solution {name}")
            colour_bar(figure, shown, axes, data.label(name))

        return draw

    def error(name: str) -> Callable[[Axes], None]:
        def draw(axes: Axes) -> None:
            difference = np.abs(fields[name] - exact[name])
            limits = error_limits(difference[inside])
            shown = map_error(axes, plane, difference, limits)
            frame_axes(axes, data, 0, 1, f"Pointwise error, at most {limits[1]:.1e}")
            colour_bar(figure, shown, axes, f"|{name} − exact {name}|")

        return draw

    for name in fields:
        panels.append(solution(name))
        if name in exact:
            panels.append(error(name))
    panels.append(lambda axes: draw_nodes(axes, data, (0, 1)))
    if data.history:
        panels.append(lambda axes: draw_history(axes, data.history))
    if data.course:
        panels.append(lambda axes: draw_course(axes, data.course))
    rows = -(-len(panels) // 2)
    width, height = data.upper - data.lower
    figure.set_size_inches(7.2, float(np.clip(2.9 * height / width, 1.8, 5.5)) * rows + 0.4)
    grid = figure.subplots(rows, 2, squeeze=False)
    for axes, panel in zip(grid.flat, panels, strict=False):
        panel(axes)
    for axes in grid.flat[len(panels) :]:
        axes.set_axis_off()


def draw_nodes(axes: Axes, data: PictureData, plane: tuple[int, int]) -> None:
    from matplotlib.transforms import ScaledTranslation

    i, j = plane
    dimension = len(data.coordinates)
    count = max(len(data.interior) + len(data.boundary) + len(data.ghost), 1)
    size = float(np.clip(4500.0 / count ** (2 / dimension), 0.25, 6.0))
    sets = (
        ("interior", data.interior, {"marker": ".", "color": "#7a8a99", "s": 1.6 * size}),
        ("boundary", data.boundary, {"marker": "s", "color": "#d55e00", "s": 1.2 * size}),
        (
            "ghost",
            data.ghost,
            {"marker": "x", "color": "#0072b2", "s": 1.8 * size, "linewidths": 0.5},
        ),
    )
    thickness = 0.0
    if dimension > 2 and len(data.interior):
        extent = np.asarray(data.upper, float) - np.asarray(data.lower, float)
        thickness = 0.5 * float(np.prod(extent) / len(data.interior)) ** (1 / dimension)
    for name, nodes, look in sets:
        nodes = np.asarray(nodes, float).reshape(-1, dimension)
        total = len(nodes)
        if dimension > 2:
            others = [axis for axis in range(dimension) if axis not in plane]
            centre = (np.asarray(data.lower) + np.asarray(data.upper))[others] / 2
            nodes = nodes[np.all(np.abs(nodes[:, others] - centre) <= thickness, axis=1)]
        if total:
            axes.scatter(nodes[:, i], nodes[:, j], label=f"{name} {total:,}", **look)
    frame_axes(
        axes, data, i, j, "Nodes" if dimension == 2 else f"Nodes near {slice_words(data, plane)}"
    )
    if len(data.ghost):
        shown = np.concatenate([data.boundary, data.ghost])[:, [i, j]]
        low, high = shown.min(axis=0), shown.max(axis=0)
        pad = 0.03 * float(np.max(high - low))
        axes.set_xlim(low[0] - pad, high[0] + pad)
        axes.set_ylim(low[1] - pad, high[1] + pad)
    figure = axes.figure
    below = axes.transAxes + ScaledTranslation(0, -30 / 72, figure.dpi_scale_trans)
    axes.legend(
        loc="upper center", bbox_to_anchor=(0.5, 0.0), bbox_transform=below,
        ncols=3 if dimension == 2 else 2, handletextpad=0.2, columnspacing=1.0, borderpad=0.0,
        markerscale=float(np.clip(2.2 / np.sqrt(size), 1.0, 4.0)),
    )  # fmt: skip


def draw_lines(figure: Figure, data: PictureData, resolution: int) -> None:
    low, high = float(data.lower[0]), float(data.upper[0])
    # With the nodes, between which a narrow layer may lie.
    nodes = np.asarray(data.interior, float).ravel()
    points = np.unique(np.concatenate([np.linspace(low, high, 4 * resolution), nodes]))[:, None]
    inside = np.asarray(data.level(points)) <= 1e-12 * (high - low)
    fields = evaluate_in_chunks(data.evaluate, points)
    exact = evaluate_in_chunks(data.exact, points) if data.exact is not None else {}
    columns = 2 if exact else 1
    rows = len(fields) + (1 if data.history else 0)
    figure.set_size_inches(7.2, 2.6 * rows + 0.3)
    grid = figure.subplots(rows, columns, squeeze=False)
    for row, name in enumerate(fields):
        axes = grid[row, 0]
        values = np.where(inside, fields[name], np.nan)
        axes.plot(points[:, 0], values, color="#0072b2", linewidth=1.4, label=f"{name}, computed")
        if name in exact:
            axes.plot(
                points[:, 0], np.where(inside, exact[name], np.nan), color=_INK, linewidth=0.9,
                linestyle=(0, (4, 3)), label=f"{name}, exact",
            )  # fmt: skip
            axes.legend()
        _rug(axes, data)
        axes.set_xlabel(data.label(data.coordinates[0]))
        axes.set_title(f"Solution {data.label(name)}")
        if not exact:
            continue
        if name not in exact:
            _nothing(grid[row, 1], f"no exact {name} is known")
            continue
        error = np.where(inside, np.abs(fields[name] - exact[name]), np.nan)
        limits = error_limits(error)
        axes = grid[row, 1]
        axes.semilogy(points[:, 0], np.maximum(error, limits[0]), color=_INK, linewidth=0.9)
        axes.set_xlabel(data.label(data.coordinates[0]))
        axes.set_title(f"Pointwise error |{name} − exact {name}|, at most {limits[1]:.1e}")
        axes.grid(axis="y", linewidth=0.3, color="#cccccc")
    if data.history:
        whole = grid[-1, 0].get_gridspec()[-1, :]
        for axes in grid[-1]:
            axes.remove()
        draw_history(figure.add_subplot(whole), data.history)


def _rug(axes: Axes, data: PictureData) -> None:
    """The nodes as ticks on the lower edge: short for the interior, long for the boundary."""
    for nodes, colour, height in (
        (data.interior, "#7a8a99", 0.02),
        (data.boundary, "#d55e00", 0.05),
    ):
        axes.vlines(
            np.asarray(nodes, float).ravel(), 0, height, colors=colour, linewidth=0.6,
            transform=axes.get_xaxis_transform(),
        )  # fmt: skip


def draw_slices(figure: Figure, data: PictureData, resolution: int) -> None:
    planes = [
        make_plane(data.level, data.lower, data.upper, axes, resolution // 2)
        for axes in ((0, 1), (0, 2), (1, 2))
    ]
    fields = [evaluate_in_chunks(data.evaluate, plane.points) for plane in planes]
    exact = (
        [evaluate_in_chunks(data.exact, plane.points) for plane in planes] if data.exact else None
    )
    names = list(fields[0])
    known = [name for name in names if exact is not None and name in exact[0]]
    rows = len(names) + len(known) + 1
    figure.set_size_inches(7.2, 2.25 * rows + 0.4)
    grid = figure.subplots(rows, 3, squeeze=False)
    row = 0
    for name in names:
        inside = np.concatenate(
            [f[name][p.level[p.near] <= 0] for f, p in zip(fields, planes, strict=True)]
        )
        limits = limits_of(inside)
        shown = [
            _slice(grid[row, k], data, plane, f"Solution {name}")
            or map_solution(grid[row, k], plane, values[name], limits)
            for k, (plane, values) in enumerate(zip(planes, fields, strict=True))
        ]
        colour_bar(figure, shown[0], list(grid[row]), data.label(name))
        row += 1
        if name not in known or exact is None:
            continue
        errors = [np.abs(f[name] - e[name]) for f, e in zip(fields, exact, strict=True)]
        within = [e[p.level[p.near] <= 0] for e, p in zip(errors, planes, strict=True)]
        limits = error_limits(np.concatenate(within))
        shown = [
            _slice(grid[row, k], data, plane, "Pointwise error")
            or map_error(grid[row, k], plane, error, limits)
            for k, (plane, error) in enumerate(zip(planes, errors, strict=True))
        ]
        label = f"|{name} − exact {name}|, at most {limits[1]:.1e}"
        colour_bar(figure, shown[0], list(grid[row]), label)
        row += 1
    if known:
        _draw_histogram(grid[row, 0], data, known)
    else:
        grid[row, 0].set_axis_off()
    draw_nodes(grid[row, 1], data, (0, 1))
    if data.history:
        draw_history(grid[row, 2], data.history)
    else:
        grid[row, 2].set_axis_off()


def _slice(axes: Axes, data: PictureData, plane: Plane, title: str) -> None:
    """Frame a slice and say where it lies."""
    frame_axes(axes, data, *plane.axes, f"{title}, {slice_words(data, plane.axes)}")
    if plane.empty:
        _nothing(axes, "the slice meets no point of the region")


def slice_words(data: PictureData, plane: tuple[int, int]) -> str:
    """Where a slice through the centre of the box lies, `z = 0`."""
    centre = (np.asarray(data.lower, float) + np.asarray(data.upper, float)) / 2
    fixed = [
        f"{name} = {centre[axis]:.4g}"
        for axis, name in enumerate(data.coordinates)
        if axis not in plane
    ]
    return fixed[0] if len(fixed) == 1 else "the centre"


def _draw_histogram(axes: Axes, data: PictureData, names: Sequence[str]) -> None:
    """How the error is distributed over 20,000 random points of the region."""
    points = _random_points(data, 20_000)
    fields = evaluate_in_chunks(data.evaluate, points)
    exact = evaluate_in_chunks(data.exact, points) if data.exact is not None else {}
    for position, name in enumerate(names):
        error = np.abs(fields[name] - exact[name])
        error = error[np.isfinite(error) & (error > 0)]
        if not len(error):
            continue
        low = max(float(np.quantile(error, 0.002)), float(error.max()) * 1e-8)
        axes.hist(
            error, bins=np.geomspace(low, float(error.max()) * 1.0001, 50).tolist(),
            histtype="stepfilled" if len(names) == 1 else "step", label=name,
            color=COLOURS[1 + position % 4],
            linestyle=STYLES[position % len(STYLES)],
        )  # fmt: skip
    axes.set_xscale("log")
    axes.set_xlabel("error at random points")
    axes.set_title("Distribution of the error")
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    if len(names) > 1:
        axes.legend()


def _random_points(data: PictureData, count: int) -> NDArray:
    """Uniform points of the region, by rejection; fewer than `count` in a region that fills little
    of its box, and the nodes in one that fills next to nothing."""
    generator = np.random.default_rng(0)
    found: list[NDArray] = []
    for _ in range(40):
        draw = generator.uniform(data.lower, data.upper, (count, len(data.coordinates)))
        found.append(draw[np.asarray(data.level(draw)) <= 0])
        if sum(map(len, found)) >= count:
            break
    points = np.concatenate(found)[:count]
    return points if len(points) else np.concatenate([data.interior, data.boundary])
