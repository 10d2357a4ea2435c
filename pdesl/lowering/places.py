"""Where rows hold: points, normals, times, and the boundary nodes of a condition."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import sympy

from pdesl.diagnostics import SolverError
from pdesl.ir.samples import condition_mask
from pdesl.ir.system import Row, System
from pdesl.symbolic.operators import NORMAL

if TYPE_CHECKING:
    from pdesl.lowering.cloud import Cloud
    from pdesl.symbolic.geometry import Region

__all__ = ["Places", "boundary_indices", "join_time", "on_slices"]


@dataclass(frozen=True, slots=True)
class Places:
    """Points (n, d) where rows hold, with outward normals (n, d) on the boundary and times (n,)."""

    points: np.ndarray
    normals: np.ndarray | None = None
    times: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.points)

    def columns(self, system: System) -> dict[sympy.Symbol, np.ndarray]:
        """The array of every symbol that a coefficient may hold."""
        found = dict(zip(system.space_symbols, self.points.T, strict=True))
        if self.normals is not None:
            for symbol, column in zip(system.space_symbols, self.normals.T, strict=True):
                found[sympy.Symbol(f"{NORMAL}[{symbol.name}]", real=True)] = column
        if self.times is not None and system.time_symbol is not None:
            found[system.time_symbol] = self.times
        return found

    def inputs(self, system: System) -> np.ndarray:
        """The coordinates (n, d) or (n, d + 1) in the order of the system."""
        return join_time(system, self.points, self.times)


def join_time(system: System, points: np.ndarray, times: np.ndarray | None) -> np.ndarray:
    """Points with their times in the column that the system has for time."""
    axis = system.frame.time_axis
    return points if axis is None or times is None else np.insert(points, axis, times, axis=1)


def on_slices(points: np.ndarray, normals: np.ndarray | None, times: np.ndarray | None) -> Places:
    """Every point on every time slice, slices running fastest; the points alone without times."""
    if times is None:
        return Places(points, normals)
    count = len(times)
    return Places(
        np.repeat(points, count, axis=0),
        None if normals is None else np.repeat(normals, count, axis=0),
        np.tile(times, len(points)),
    )


def boundary_indices(
    row: Row, system: System, cloud: Cloud, region: Region, values: Mapping[sympy.Symbol, float]
) -> np.ndarray:
    """Which boundary nodes a boundary condition holds at, as indices into `cloud.boundary`.

    Raises:
        SolverError: E702, it holds at none of them.
    """
    mask = np.zeros(len(cloud.boundary), dtype=bool)
    for spec in row.regions:
        mask |= condition_mask(spec, region, system, cloud.boundary, cloud.part, values)
    if not mask.any():
        where = ", ".join(spec.text or spec.name for spec in row.regions)
        raise SolverError(
            f"none of the {len(cloud.boundary):,} boundary nodes lies on `{where}`, where "
            f"{row.name} holds",
            code="E702",
            advice="take more nodes, or a larger part of the boundary",
        )
    return np.flatnonzero(mask)
