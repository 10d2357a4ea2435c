"""States of a learned system from measurements of its fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from scipy.spatial import KDTree

from pdesl.diagnostics import Diagnostic, ProblemError
from pdesl.ir.fitting import evolved_expression
from pdesl.lowering.measurements import Measurements
from pdesl.lowering.periodic_grid import PeriodicGrid
from pdesl.lowering.to_learned import Lowered, trigonometric_interpolation
from pdesl.solvers.fit_windows import WindowSet
from pdesl.symbolic.problem import FitTerm

__all__ = ["at_points", "measured_states", "state_of_tables", "states_at_cuts"]

# A measured place is a point of the discretisation when it is so close to it, in spacings.
SAME_PLACE = 1e-6


def _columns(lowered: Lowered, terms: Sequence[FitTerm]) -> dict[str, FitTerm]:
    """The term that measures each field itself."""
    system = lowered.system
    found: dict[str, FitTerm] = {}
    for term in terms:
        model = evolved_expression(term.model, system, term.span, "a model")
        for name in system.fields:
            if model == system.space.symbol(system.space.jet(name)):
                found.setdefault(name, term)
    return found


def at_points(lowered: Lowered, values: np.ndarray, places: np.ndarray | None) -> np.ndarray | None:
    """Values (…, P) at places as (…, M) at the points of the state; None where some are missing."""
    if lowered.points is None:
        return values
    if places is None:
        if lowered.grid_order is None or values.shape[-1] != len(lowered.points):
            return None
        found = np.empty_like(values)
        found[..., lowered.grid_order] = values
        return found
    points = lowered.points
    spacing = np.ptp(points, axis=0).max() / max(len(points) - 1, 1)
    boxes = None
    if lowered.grid is not None:
        boxes = np.asarray(lowered.grid.periods, float)
        low = lowered.grid.lower
        own = np.mod(places - low + 1e-9 * boxes, boxes) - 1e-9 * boxes
        tree = KDTree(np.mod(own, boxes), boxsize=boxes)
        distance, index = tree.query(np.mod(points - low, boxes))
    else:
        distance, index = KDTree(places).query(points)
    if np.max(distance) > SAME_PLACE * max(spacing, 1e-300) + 1e-12:
        return None if lowered.grid is None else _from_coarser(lowered.grid, points, values, places)
    return values[..., index]


def _from_coarser(
    grid: PeriodicGrid, points: np.ndarray, values: np.ndarray, places: np.ndarray
) -> np.ndarray | None:
    """The trigonometric interpolant at points, where the places are a periodic grid of their own.

    A grid of fewer points, so that the interpolant has no wave that was not measured; else None.
    """
    lower, periods = places.min(axis=0), np.asarray(grid.periods, float)
    counts = tuple(
        len(np.unique(np.round(p / b, 9))) for p, b in zip(places.T, periods, strict=True)
    )
    if int(np.prod(counts)) != len(places) or any(
        own > n for own, n in zip(counts, grid.counts, strict=True)
    ):
        return None
    shares = (places - lower) / periods * counts
    number = np.round(shares)
    if np.max(np.abs(shares - number)) > 1e-6 or np.max(np.ptp(places, axis=0) / periods) >= 1:
        return None
    order = np.lexsort(tuple(number.T[::-1]))  # last axis fastest
    own = replace(grid, counts=counts, lower=lower)
    return values[..., order] @ trigonometric_interpolation(own, points).T


def state_of_tables(lowered: Lowered, tables: np.ndarray) -> np.ndarray:
    """States (…, n) of values (…, fields, M) at the points."""
    flat = tables.reshape(*tables.shape[:-2], -1)
    keep = lowered.learned.keep
    return flat if keep is None else flat[..., np.asarray(keep)]


def measured_states(
    lowered: Lowered, terms: Sequence[FitTerm], data: Mapping[str, Measurements]
) -> tuple[str, np.ndarray]:
    """The data set that measures every field, and the states (R, T, n), NaN where one is missing.

    Raises:
        ProblemError: E544, measurements that are not at all the points of the discretisation, or
            fields in several data sets.
    """
    columns = _columns(lowered, terms)
    names = {term.data.split(".", 1)[0] for term in columns.values()}
    first = next(iter(columns.values()))
    if len(names) > 1:
        raise _no_state(first, "its fields are measured in several data sets",
                        "measure them at the same times, in one file")  # fmt: skip
    (name,) = names
    own = data[name]
    tables = []
    for field in lowered.system.fields:
        values = own.values[columns[field].data.split(".", 1)[1]]
        table = at_points(lowered, values, own.places)
        if table is None:
            count = len(lowered.points) if lowered.points is not None else 1
            raise _no_state(
                columns[field], f"it is not measured at all {count:,} points of the discretisation",
                "choose the points of `space` among the measured places, or give `initial:`",
            )  # fmt: skip
        tables.append(table)
    return name, state_of_tables(lowered, np.stack(tables, axis=2))


def _no_state(term: FitTerm, what: str, remedy: str) -> ProblemError:
    message = f"`{term.data}` cannot start windows: {what}"
    return ProblemError([Diagnostic("E544", message, term.span, helps=(remedy,))])


def states_at_cuts(
    lowered: Lowered, terms: Sequence[FitTerm], data: Mapping[str, Measurements],
    windows: WindowSet,
) -> np.ndarray | None:  # fmt: skip
    """Measured states (W − 1, n) at the starts of all windows but the first.

    Values between measured times are interpolated; None where a field is not measured.
    """
    columns = _columns(lowered, terms)
    if set(columns) != set(lowered.system.fields):
        return None
    tables = []
    for field in lowered.system.fields:
        name, column = columns[field].data.split(".", 1)
        own = data[name]
        table = at_points(lowered, own.values[column], own.places)
        if table is None:
            return None
        rows = []
        for time in windows.starts[1:]:
            line = own.times[0]
            rows.append([_interpolated(time, line, c) for c in _mean(table).T])
        tables.append(np.array(rows))
    found = state_of_tables(lowered, np.stack(tables, axis=1))
    return found if np.all(np.isfinite(found)) else None


def _mean(table: np.ndarray) -> np.ndarray:
    """The mean (T, M) over runs of what is measured in (R, T, M), NaN where nothing is."""
    known = np.isfinite(table)
    count = known.sum(axis=0)
    total = np.where(known, table, 0.0).sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _interpolated(time: float, line: np.ndarray, values: np.ndarray) -> float:
    known = np.isfinite(values)
    return float(np.interp(time, line[known], values[known])) if known.any() else np.nan
