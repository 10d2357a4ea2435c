"""Measurements of a data set: values over runs, times and places, with NaN where one is missing.

A file of arrays holds, beside the values,

| array | shape | holds |
|---|---|---|
| the time, `t` | (T,) or (R, T) | ascending times, of all runs or of each |
| the spatial coordinates, `x`, `y` | (P,) each | places, or the axes of a grid |
| any other, `u` | (T, P), (R, T, P), (T, n_x, n_y), … | values; without space (T,), (R, T) |

in this order of axes. A table (CSV) has a row for each run, time and place, in any order, with
the columns `t`, `x`, `y` and, for several runs, `run`. The line of the problem may name them
differently: `load("series.csv", t="year")`. Without coordinates, values along space are those at
the points of the discretisation's grid.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from pdesl.diagnostics import Diagnostic, ProblemError, Span
from pdesl.language.names import suggest
from pdesl.symbolic.data_file import DataFile, data_mistake, read_data_file
from pdesl.symbolic.problem import DataSet, Problem

__all__ = ["Measurements", "read_measurements"]

# Times may leave the domain by so much of its length: rounding of the file's own.
ROUNDING = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class Measurements:
    """One data set.

    Attributes:
        name: of the data set.
        times: (R, T), ascending along every run.
        places: (P, d), None without space, or where the file names no places.
        values: column → (R, T, P), NaN where nothing was measured; P = 1 without space.
        size, sha256: of the file.
    """

    name: str
    path: str
    times: np.ndarray
    places: np.ndarray | None
    values: Mapping[str, np.ndarray]
    size: int
    sha256: str

    @property
    def runs(self) -> int:
        return len(self.times)

    @property
    def count(self) -> int:
        """How many numbers were measured."""
        return sum(int(np.isfinite(v).sum()) for v in self.values.values())


def read_measurements(
    problem: Problem, data: DataSet, columns: Sequence[str], span_of_time: tuple[float, float]
) -> Measurements:
    """The columns of a data set that a fit asks for.

    Args:
        problem: names the coordinates; its file's folder is where paths start.
        data: the data set.
        columns: the names behind the dot, `hare` of `obs.hare`.
        span_of_time: first and last time of the domain.

    Raises:
        ProblemError: E540 a file that cannot be read, E541 a column that is missing, E542 values
            that are no numbers or do not fit together, E543 times that do not ascend or lie
            outside of the domain, E502 and E503 for the names given in `load(…)`.
    """
    folder = problem.source.folder if problem.source is not None else ""
    time = problem.time
    assert time is not None
    names = _names(data, [time.name, *(c.name for c in problem.space), "run"])
    file = read_data_file(data.path, folder, data.span)
    space = [names[c.name] for c in problem.space]
    reader = _from_table if file.is_table else _from_arrays
    times, places, values = reader(
        file, names[time.name], space, names["run"], list(columns), data.span
    )
    _check_times(file, times, span_of_time, names[time.name], data.span)
    for name, own in values.items():
        if np.isinf(own).any():
            raise data_mistake("E542", file.path, f"`{name}` has an infinite value", data.span,
                               "leave it empty where nothing was measured")  # fmt: skip
        if not np.isfinite(own).any():
            raise data_mistake("E542", file.path, f"`{name}` has no value", data.span,
                               "name another column")  # fmt: skip
    return Measurements(data.name, file.path, times, places, values, file.size, file.sha256)


def _names(data: DataSet, known: Sequence[str]) -> dict[str, str]:
    """What the file calls each coordinate."""
    found = {name: name for name in known}
    wrong: list[Diagnostic] = []
    for name, value in data.options:
        if name not in found:
            guess = suggest(name, list(known))
            wrong.append(
                Diagnostic(
                    "E502", f"`load` has no option `{name}`", data.span,
                    helps=(f"did you mean `{guess}`?" if guess else
                           f"it has the names of the coordinates: {', '.join(known)}",),
                )
            )  # fmt: skip
        elif not isinstance(value, str):
            wrong.append(
                Diagnostic(
                    "E503", f"`{name}` must be the name of a column, in quotes", data.span,
                    helps=(f'{name}="column"',),
                )
            )  # fmt: skip
        else:
            found[name] = value
    if wrong:
        raise ProblemError(wrong)
    return found


def _column(file: DataFile, name: str, span: Span | None) -> np.ndarray:
    if name not in file.arrays:
        guess = suggest(name, list(file.arrays))
        known = ", ".join(f"`{n}`" for n in list(file.arrays)[:12]) or "none"
        raise data_mistake(
            "E541", file.path, f"it has no `{name}`", span,
            f"did you mean `{guess}`?" if guess else f"it has {known}",
        )  # fmt: skip
    return file.arrays[name]


Parts = tuple[np.ndarray, np.ndarray | None, dict[str, np.ndarray]]


def _from_table(
    file: DataFile, time: str, space: list[str], run: str, columns: list[str], span: Span | None
) -> Parts:
    clock = _column(file, time, span)
    places = [_column(file, name, span) for name in space]
    runs = file.arrays.get(run, np.zeros(len(clock)))
    keys = [(runs, run), (clock, time), *zip(places, space, strict=True)]
    for array, name in keys:
        if not np.isfinite(array).all():
            row = int(np.argmax(~np.isfinite(array))) + 1
            raise data_mistake("E542", file.path, f"`{name}` in row {row} is empty", span,
                               "give every row its time and place")  # fmt: skip
    spots, spot = np.zeros((1, 0)), np.zeros(len(clock), dtype=int)
    if places:
        spots, spot = np.unique(np.stack(places, axis=1), axis=0, return_inverse=True)
    labels, number = np.unique(runs, return_inverse=True)
    moments = [np.unique(clock[number == r]) for r in range(len(labels))]
    if len({len(m) for m in moments}) > 1:
        raise data_mistake("E542", file.path, "its runs have different numbers of times", span,
                           "give every run the same number; leave values empty")  # fmt: skip
    times = np.stack(moments)
    order = np.array([np.searchsorted(times[r], t) for r, t in zip(number, clock, strict=True)])
    cells = (number * times.shape[1] + order) * len(spots) + spot.ravel()
    if len(np.unique(cells)) < len(cells):
        unique, counts = np.unique(cells, return_counts=True)
        first = np.flatnonzero(cells == unique[counts > 1][0])
        raise data_mistake("E542", file.path, f"rows {first[0] + 1} and {first[1] + 1} are of the "
                           "same time and place", span, "leave one of them out")  # fmt: skip
    values = {}
    for name in columns:
        table = np.full(times.size * len(spots), np.nan)
        table[cells] = _column(file, name, span)
        values[name] = table.reshape(*times.shape, len(spots))
    return times, spots if places else None, values


def _from_arrays(
    file: DataFile, time: str, space: list[str], run: str, columns: list[str], span: Span | None
) -> Parts:
    del run
    clock = _column(file, time, span)
    if clock.ndim not in (1, 2) or not clock.size or not np.isfinite(clock).all():
        raise data_mistake("E542", file.path, f"`{time}` is no list of times", span,
                           "give it the shape (times,) or (runs, times)")  # fmt: skip
    axes = [file.arrays[name].ravel() for name in space if name in file.arrays]
    if axes and len(axes) < len(space):
        missing = next(name for name in space if name not in file.arrays)
        _column(file, missing, span)
    for axis, name in zip(axes, space, strict=False):
        if not np.isfinite(axis).all():
            raise data_mistake("E542", file.path, f"`{name}` is not finite everywhere", span,
                               "give every place its coordinates")  # fmt: skip
    count = clock.shape[-1]
    values: dict[str, np.ndarray] = {}
    places: np.ndarray | None = None
    runs = 1 if clock.ndim == 1 else len(clock)
    for name in columns:
        array = _column(file, name, span)
        own, spots = _arranged(file, name, array, count, axes, len(space), span)
        if places is not None and spots is not None and not np.array_equal(places, spots):
            raise data_mistake("E542", file.path, f"`{name}` is measured at other places", span,
                               "keep it in a file of its own")  # fmt: skip
        places = spots if spots is not None else places
        runs = max(runs, len(own))
        values[name] = own
    for name, own in values.items():
        if len(own) != runs:
            raise data_mistake("E542", file.path, f"`{name}` has {len(own)} runs, not {runs}", span,
                               "give every quantity the same runs")  # fmt: skip
    times = (
        np.broadcast_to(np.atleast_2d(clock), (runs, count))
        if len(np.atleast_2d(clock)) in (1, runs)
        else None
    )
    if times is None:
        raise data_mistake("E542", file.path, f"`{time}` has {len(clock)} runs, not {runs}", span,
                           "give every run its times")  # fmt: skip
    return np.array(times), places, values


def _arranged(
    file: DataFile, name: str, array: np.ndarray, count: int, axes: list[np.ndarray],
    dimension: int, span: Span | None,
) -> tuple[np.ndarray, np.ndarray | None]:  # fmt: skip
    """Values as (R, T, P), and their places (P, d)."""
    shape = array.shape
    forms: list[tuple[tuple[int, ...], np.ndarray | None]] = []
    if not dimension:
        forms.append(((), None))
    elif axes:
        lengths = tuple(len(a) for a in axes)
        if len(set(lengths)) == 1:
            forms.append((lengths[:1], np.stack(axes, axis=1)))
        if len(lengths) > 1 or not forms:
            forms.append((lengths, np.array(list(product(*axes)))))
    else:
        for axes_of_space in (dimension, 1):
            tail = shape[len(shape) - axes_of_space :]
            forms.append((tail, None))
    for tail, spots in forms:
        head = shape[: len(shape) - len(tail)]
        if shape[len(head) :] == tail and len(head) in (1, 2) and head[-1] == count:
            runs = head[0] if len(head) == 2 else 1
            return array.reshape(runs, count, -1), spots
    wanted = " or ".join(str((count, *tail)) for tail, _ in forms)
    raise data_mistake(
        "E542", file.path, f"`{name}` has the shape {shape}, not {wanted}, with the runs before "
        "it", span, "order the axes as run, time, place",
    )  # fmt: skip


def _check_times(
    file: DataFile, times: np.ndarray, span_of_time: tuple[float, float], name: str,
    span: Span | None,
) -> None:  # fmt: skip
    first, last = span_of_time
    steps = np.diff(times, axis=1)
    if (steps <= 0).any():
        place = int(np.argmax((steps <= 0).any(axis=0)))
        raise data_mistake("E543", file.path, f"its times do not ascend: `{name}` is "
                           f"{times[0, place]:g} and then {times[0, place + 1]:g}", span,
                           "sort it by time, and keep one of equal times")  # fmt: skip
    room = ROUNDING * (last - first)
    if times.min() < first - room or times.max() > last + room:
        wrong = float(times.min() if times.min() < first - room else times.max())
        what = f"`{name}` = {wrong:g} lies outside of the domain's [{first:g}, {last:g}]"
        raise data_mistake("E543", file.path, what, span, "widen the range of time in `domain:`")
