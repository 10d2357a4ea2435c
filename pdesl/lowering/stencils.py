"""Stencils: which nodes are nearest to a centre, also where directions are periodic."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.spatial import KDTree

from pdesl.diagnostics import SolverError

__all__ = [
    "FloatArray",
    "into_box",
    "misuse",
    "nearest_nodes",
    "period_lengths",
    "unusable_stencil",
    "wrap",
]

FloatArray = npt.NDArray[np.float64]

# Nodes closer than this fraction of the stencil's radius count as one node.
_DUPLICATE = 1e-9


def nearest_nodes(
    nodes: FloatArray, centres: FloatArray, size: int, periods: FloatArray | None, workers: int
) -> tuple[npt.NDArray[np.int32], FloatArray]:
    """The stencil of every centre: its nearest nodes, and the distance to the farthest.

    Returns indices (N, n) int32, ascending in each row, and radii (N,).  `periods` as from
    `period_lengths`.  Raises `SolverError`: E710 when a stencil reaches beyond half a period,
    where a node would be near twice over.
    """
    if periods is None:
        tree, targets = KDTree(nodes), centres
    else:
        box = np.where(np.isfinite(periods), periods, 0.0)
        tree, targets = KDTree(into_box(nodes, periods), boxsize=box), into_box(centres, periods)
    distance, found = map(np.asarray, tree.query(targets, size, workers=workers))
    shape = (len(centres), size)
    indices = np.sort(found.reshape(shape).astype(np.int32), axis=1)
    radius = np.array(distance.reshape(shape)[:, -1], dtype=np.float64)
    if periods is not None and np.max(radius) >= 0.5 * np.min(periods):
        worst = int(np.argmax(radius))
        raise SolverError(
            f"a stencil of {size} nodes reaches more than half a period "
            f"({np.max(radius):.3g} of {np.min(periods):.3g}) at {format_place(centres[worst])}",
            code="E710",
            advice="use more nodes, or a lower order",
        )
    return indices, radius


def unusable_stencil(
    centre: FloatArray, number: int, row: npt.NDArray[np.int32], offsets: FloatArray, reason: str
) -> SolverError:
    """The error for a stencil whose system has no solution: two nodes coincide, or another reason.

    `row` (n,), its nodes; `offsets` (n, d), their places relative to the centre.
    """
    radius = np.max(np.linalg.norm(offsets, axis=1))
    distance = np.linalg.norm(offsets[:, None] - offsets[None], axis=2)
    distance[np.diag_indices(len(row))] = np.inf
    first, second = np.unravel_index(np.argmin(distance), distance.shape)
    gap = distance[first, second]
    if gap <= _DUPLICATE * radius:
        lower, upper = sorted((int(row[first]), int(row[second])))
        return SolverError(
            f"nodes {lower} and {upper} coincide at {format_place(centre + offsets[first])} "
            f"(distance {gap:.1e})",
            code="E711",
            advice="remove one of the two nodes",
        )
    return SolverError(
        f"the stencil of centre {number} at {format_place(centre)} is unusable: {reason}",
        code="E712",
        advice="its nodes lie on a curve of low degree or are far from uniform: add nodes there, "
        "use ghost nodes, a larger stencil or a lower order",
    )


def wrap(offsets: FloatArray, periods: FloatArray) -> None:
    """Replaces offsets (..., d) by those to the nearest periodic image, in place."""
    for axis in np.flatnonzero(np.isfinite(periods)):
        offsets[..., axis] -= periods[axis] * np.round(offsets[..., axis] / periods[axis])


def into_box(nodes: FloatArray, periods: FloatArray) -> FloatArray:
    """Places (N, d) moved by whole periods into [0, period)."""
    result = nodes.copy()
    for axis in np.flatnonzero(np.isfinite(periods)):
        inside = np.mod(nodes[:, axis], periods[axis])
        # A tiny negative coordinate is rounded up to the period itself.
        result[:, axis] = np.where(inside < periods[axis], inside, 0.0)
    return result


def period_lengths(periods: Sequence[float | None] | None, dimension: int) -> FloatArray | None:
    """Periods (d,), infinite where a direction is not periodic; None when none is."""
    if periods is None or all(period is None for period in periods):
        return None
    lengths = np.array([math.inf if period is None else float(period) for period in periods])
    if lengths.shape != (dimension,) or not np.all(lengths > 0):
        raise misuse(f"periods must be {dimension} positive numbers or None, not {periods!r}")
    return lengths


def misuse(message: str) -> SolverError:
    """The error for arguments that do not fit together."""
    return SolverError(message, code="E713")


def format_place(point: FloatArray) -> str:
    return "(" + ", ".join(f"{coordinate:.6g}" for coordinate in point) + ")"
