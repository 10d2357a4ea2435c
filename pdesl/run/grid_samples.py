"""Values on a complete grid between its points: local polynomials along each of its axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from pdesl.lowering.stencils import misuse
from pdesl.run.time_samples import time_weights

__all__ = ["GridSamples", "on_grid"]

# Points along an axis of one local polynomial, by dimension. On a line the splines of
# `NodalInterpolant` are better, and in more dimensions the products have too many terms.
STENCIL = {2: 8, 3: 6}
TOGETHER = 2_000_000  # numbers worked on at once


@dataclass(frozen=True, slots=True, eq=False)
class GridSamples:
    """F functions by their values on the grid `axes`; a periodic axis goes on at both its ends.

    The nearest points of a grid in the sense of distance lie on few of its lines near a wall, by
    which no polynomial of a high degree is determined; those along the axes always determine one.
    """

    axes: tuple[NDArray, ...]
    table: NDArray  # (F, n_1, …, n_d)
    periods: tuple[float | None, ...]
    width: int

    def __call__(self, places: NDArray, orders: Sequence[int]) -> NDArray:
        """The derivatives of some orders (F, n) at places (n, d).

        Raises:
            SolverError: E713 an order beyond the degree of the polynomials.
        """
        if len(orders) != len(self.axes) or not all(0 <= m < self.width for m in orders):
            raise misuse(f"{tuple(orders)} is no derivative of polynomials of degree "
                         f"{self.width - 1} in {len(self.axes)} dimensions")  # fmt: skip
        found = np.empty((len(self.table), len(places)))
        step = max(TOGETHER // len(self.table), 1)
        for start in range(0, len(places), step):
            found[:, start : start + step] = self._near(places[start : start + step], orders)
        return found

    def _near(self, places: NDArray, orders: Sequence[int]) -> NDArray:
        firsts, weights = [], []
        for axis, own, period, order in zip(
            self.axes, places.T, self.periods, orders, strict=True
        ):  # fmt: skip
            if period is not None:
                middle = (axis[0] + axis[-1] - period) / 2
                own = middle + (own - middle) % period
            first, weight = time_weights(axis, own, order, self.width)
            firsts.append(first)
            weights.append(weight)
        total = np.zeros((len(self.table), len(places)))
        for shift in product(*(range(w.shape[1]) for w in weights)):
            factor = np.prod([w[:, j] for w, j in zip(weights, shift, strict=True)], axis=0)
            place = tuple(f + j for f, j in zip(firsts, shift, strict=True))
            total += factor * self.table[(slice(None), *place)]
        return total


def on_grid(
    points: NDArray, values: NDArray, periods: Sequence[float | None]
) -> GridSamples | None:
    """Values (F, M) at points (M, d) as functions, None where the points are no complete grid."""
    count, dimension = points.shape
    if dimension not in STENCIL:
        return None
    width = STENCIL[dimension]
    axes, numbers = [], []
    for column in points.T:
        shares = np.round((column - column.min()) / max(float(np.ptp(column)), 1e-300), 9)
        _, first, inverse = np.unique(shares, return_index=True, return_inverse=True)
        axes.append(column[first])
        numbers.append(inverse)
    shape = tuple(map(len, axes))
    if np.prod(shape) != count or min(shape) < width:
        return None
    flat = np.ravel_multi_index(numbers, shape)
    if len(np.unique(flat)) < count:
        return None
    table = np.empty_like(values, dtype=float)
    table[:, flat] = values
    table = table.reshape(len(values), *shape)
    for k, period in enumerate(periods):
        if period is None:
            continue
        ends = [(width, width) if axis == k + 1 else (0, 0) for axis in range(dimension + 1)]
        table = np.pad(table, ends, mode="wrap")
        own = axes[k]
        axes[k] = np.concatenate([own[-width:] - period, own, own[:width] + period])
    return GridSamples(tuple(axes), table, tuple(periods), width)
