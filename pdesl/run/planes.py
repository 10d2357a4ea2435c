"""Grids in planes through a region, and values on them, for pictures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Evaluate", "Plane", "evaluate_in_chunks", "make_plane"]

Evaluate = Callable[[NDArray], Mapping[str, NDArray]]
"""(n, d) points to field → (n,) values."""

_CHUNK = 16_384  # points evaluated at once: one shape, so one compilation


def evaluate_in_chunks(function: Evaluate, points: NDArray) -> dict[str, NDArray]:
    """Values at points, in chunks of one size (the last one is filled up)."""
    if not len(points):  # one point tells the names of the fields
        return {name: np.empty(0) for name in function(np.zeros((1, points.shape[1])))}
    pieces: dict[str, list[NDArray]] = {}
    for start in range(0, len(points), _CHUNK):
        chunk = points[start : start + _CHUNK]
        filled = chunk
        if len(points) > _CHUNK and len(chunk) < _CHUNK:
            filled = np.concatenate([chunk, np.repeat(chunk[-1:], _CHUNK - len(chunk), axis=0)])
        for name, values in function(filled).items():
            pieces.setdefault(name, []).append(np.asarray(values, float)[: len(chunk)])
    return {name: np.concatenate(parts) for name, parts in pieces.items()}


@dataclass(frozen=True, slots=True)
class Plane:
    """Two axes of space with the others held fixed, sampled on a grid (rows, columns)."""

    axes: tuple[int, int]
    horizontal: NDArray
    vertical: NDArray
    level: NDArray
    near: NDArray
    points: NDArray

    @property
    def empty(self) -> bool:
        return not bool(np.any(self.level <= 0))

    def fill(self, values: NDArray) -> NDArray:
        grid = np.full(self.level.shape, np.nan)
        grid[self.near] = values
        return grid


def make_plane(
    region: Callable[[NDArray], NDArray],
    lower: NDArray,
    upper: NDArray,
    axes: tuple[int, int],
    resolution: int,
) -> Plane:
    """A grid over the box and a little beyond, so that the region's outline is closed.

    Values are computed inside and two cells beyond, and cut at the outline when they are drawn.
    """
    lower, upper = np.asarray(lower, float), np.asarray(upper, float)
    i, j = axes
    cell = max(upper[i] - lower[i], upper[j] - lower[j]) / resolution
    lines = []
    for axis in axes:
        cells = int(np.ceil((upper[axis] - lower[axis]) / cell))
        step = (upper[axis] - lower[axis]) / cells
        lines.append(lower[axis] + step * np.arange(-3, cells + 4))
    horizontal, vertical = np.meshgrid(*lines)
    points = np.tile((lower + upper) / 2, (horizontal.size, 1))
    points[:, i], points[:, j] = horizontal.ravel(), vertical.ravel()
    # Beyond the box is outside, also where the region has no boundary (a periodic direction).
    outside = np.max(np.maximum(lower - points, points - upper)[:, list(axes)], axis=1)
    level = np.maximum(np.asarray(region(points), float), outside).reshape(horizontal.shape)
    near = level <= 0
    for _ in range(2):
        padded = np.pad(near, 1)
        near = near | padded[2:, 1:-1] | padded[:-2, 1:-1] | padded[1:-1, 2:] | padded[1:-1, :-2]
    return Plane(axes, horizontal, vertical, level, near, points[near.ravel()])
