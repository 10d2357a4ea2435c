"""Semi-discrete systems of the method of lines as right-hand sides that series go through."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import sympy

from pdesl.ir.imex import ImexRow
from pdesl.ir.system import System
from pdesl.lowering.conditions_at_nodes import Assignment
from pdesl.lowering.imex_nodal import NodalImex, assemble
from pdesl.lowering.learned_space import matrix_of
from pdesl.lowering.periodic_grid import PeriodicGrid
from pdesl.lowering.space import NodalSpace
from pdesl.lowering.to_learned import on_grid, on_nodes, without_space
from pdesl.solvers.series_marching import SeriesSystem

__all__ = ["SeriesLines", "series_on_grid", "series_on_nodes"]


@dataclass(frozen=True, slots=True, eq=False)
class SeriesLines:
    """f in JAX, its start (n,), and the way from all values to what is kept."""

    system: SeriesSystem
    start: np.ndarray
    as_state: Callable[[np.ndarray], np.ndarray]


def _explicit(rows: Sequence[ImexRow]) -> tuple[ImexRow, ...]:
    """The rows with every term explicit."""
    return tuple(replace(row, stiff=(), linear=(*row.stiff, *row.linear)) for row in rows)


def series_on_nodes(
    system: System,
    rows: Sequence[ImexRow],
    space: NodalSpace | None,
    assignment: Assignment,
    plain: NodalImex,
    damped: NodalImex,
    values: Mapping[sympy.Symbol, float],
    start: np.ndarray,
    first_time: float,
) -> SeriesLines:
    """A system on nodes, or in time alone where there is no `space`.

    Args:
        plain, damped: the same on the host, without and with hyperviscosity.
        start: the initial state (F·M,), with what the boundary fixes.

    Raises:
        SolverError: E743, conditions that do not fix the values at the boundary.
        ProblemError: see `to_learned`.
    """
    own = _explicit(rows)
    held = np.flatnonzero(plain.differential)
    if space is None:
        lowered = without_space(system, own, values, first_time)
    else:
        lowered = on_nodes(system, own, space, assignment, plain, values, first_time)
    added = [
        (more.field, field, (more.nodes, matrix))
        for row, more in zip(plain.explicit_rows, damped.explicit_rows, strict=True)
        for field, matrix in more.linear[len(row.linear) :]
    ]
    damping = None
    if added:
        damping = matrix_of(assemble(added, len(plain.fields), plain.nodes)[held])
    return SeriesLines(SeriesSystem(lowered.learned, damping), start[held], lambda whole: whole)


def series_on_grid(
    system: System,
    rows: Sequence[ImexRow],
    grid: PeriodicGrid,
    values: Mapping[sympy.Symbol, float],
    start: np.ndarray,
    first_time: float,
) -> SeriesLines:
    """A system on a periodic grid; `start` and what is kept are modes.

    Raises:
        ProblemError: see `to_learned`.
    """
    lowered = on_grid(system, _explicit(rows), grid, values, first_time)

    def to_modes(whole: np.ndarray) -> np.ndarray:
        return grid.to_modes(whole.reshape(-1, *grid.counts))

    return SeriesLines(SeriesSystem(lowered.learned), grid.to_values(start).ravel(), to_modes)
