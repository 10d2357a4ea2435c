"""Plane regions inside a polygon or a closed parametric curve."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np
from numpy.typing import ArrayLike

from pdesl.symbolic.geometry.pieces import (
    Arc,
    Array,
    GeometryError,
    Piece,
    as_points,
    finite_vector,
    format_point,
    positive_number,
)
from pdesl.symbolic.geometry.region import Region

__all__ = ["Curve", "Polygon"]

FEW_POINTS = 1024  # whose nearest vertices are found by comparing with all
VERTICES = 4096  # of the polygon that stands in for a parametric curve
BLOCK = 1 << 21  # entries of a temporary array


def signed_area(vertices: Array) -> float:
    """Area inside a closed polygon, positive when it runs counter-clockwise (shoelace rule)."""
    x, y = (vertices - vertices.mean(axis=0)).T
    return float(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y) / 2.0)


def odd_crossings(points: Array, vertices: Array) -> Array:
    """Whether a ray from each point crosses a closed polygon an odd number of times."""
    inside = np.zeros(len(points), dtype=bool)
    start, end = vertices, np.roll(vertices, -1, axis=0)
    step = max(BLOCK // len(vertices), 1)
    for first in range(0, len(points), step):
        x, y = points[first : first + step, 0, None], points[first : first + step, 1, None]
        spans = (start[:, 1] > y) != (end[:, 1] > y)
        rise = np.where(end[:, 1] == start[:, 1], 1.0, end[:, 1] - start[:, 1])
        crossing = start[:, 0] + (y - start[:, 1]) * (end[:, 0] - start[:, 0]) / rise
        inside[first : first + step] = np.sum(spans & (x < crossing), axis=1) % 2 == 1
    return inside


def find_crossing(vertices: Array) -> tuple[int, int] | None:
    """Two edges of a closed polygon that meet without being neighbours, or None.

    Edge k runs from vertex k to vertex k + 1. Edges that touch count as meeting, and so do
    neighbours that fold back on each other.
    """
    count = len(vertices)
    start, along = vertices, np.roll(vertices, -1, axis=0) - vertices
    length = np.linalg.norm(along, axis=1)
    following = np.roll(along, -1, axis=0)
    turn = along[:, 0] * following[:, 1] - along[:, 1] * following[:, 0]
    both = length * np.roll(length, -1)
    folded = (np.abs(turn) <= 1e-9 * both) & (np.sum(along * following, axis=1) < 0.0)
    if folded.any():
        first = int(np.argmax(folded))
        return first, (first + 1) % count
    end = start + along
    low, high = np.minimum(start, end), np.maximum(start, end)
    # Sweep along x: an edge can meet only those that start before it ends.
    order = np.argsort(low[:, 0], kind="stable")
    last = np.searchsorted(low[order, 0], high[order, 0], side="right")
    partners = last - np.arange(count) - 1
    begin = 0
    while begin < count:
        stop = begin + max(int(np.searchsorted(np.cumsum(partners[begin:]), BLOCK)), 1)
        rows = np.arange(begin, min(stop, count))
        one = np.repeat(rows, partners[rows])
        skipped = np.cumsum(partners[rows]) - partners[rows]
        two = one + 1 + np.arange(len(one)) - np.repeat(skipped, partners[rows])
        one, two = order[one], order[two]
        one, two = np.minimum(one, two), np.maximum(one, two)
        near = (low[one, 1] <= high[two, 1]) & (low[two, 1] <= high[one, 1])
        near &= (two > one + 1) & ~((one == 0) & (two == count - 1))
        one, two = one[near], two[near]
        begin = stop
        if len(one) == 0:
            continue

        def side(edge: Array, points: Array) -> Array:
            offset = points - start[edge]
            area = along[edge, 0] * offset[:, 1] - along[edge, 1] * offset[:, 0]
            small = 1e-12 * length[edge] * (length[edge] + np.linalg.norm(offset, axis=1))
            return np.where(np.abs(area) <= small, 0.0, np.sign(area))

        meets = (side(one, start[two]) * side(one, end[two]) <= 0.0) & (
            side(two, start[one]) * side(two, end[one]) <= 0.0
        )
        if meets.any():
            first = int(np.argmax(meets))
            return int(one[first]), int(two[first])
    return None


@final
@dataclass(frozen=True, slots=True)
class Polygon(Region):
    """The inside of a simple polygon, in either orientation, convex or not.

    Parts edge1, edge2, ...: edge k runs from vertex k to vertex k + 1, and the last one back to
    the first vertex.
    """

    vertices: tuple[tuple[float, ...], ...]
    _array: Any = field(init=False, repr=False, compare=False)
    _counter_clockwise: bool = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        rows = [finite_vector(vertex, "a vertex of a polygon", 2) for vertex in self.vertices]
        if len(rows) > 1 and rows[0] == rows[-1]:
            rows.pop()
        if len(rows) < 3:
            raise GeometryError(f"a polygon needs 3 vertices or more, not {len(rows)}", "E441")
        array = np.array(rows)
        length = np.linalg.norm(np.roll(array, -1, axis=0) - array, axis=1)
        extent = float(np.ptp(array, axis=0).max())
        if (length <= 1e-12 * extent).any() or extent == 0.0:
            index = int(np.argmin(length))
            raise GeometryError(
                f"vertices {index + 1} and {(index + 1) % len(rows) + 1} of the polygon "
                f"are the same point {format_point(array[index])}",
                code="E444",
                help="give every vertex once",
            )
        crossing = find_crossing(array)
        if crossing is not None:
            raise GeometryError(
                f"the polygon meets itself: edge {crossing[0] + 1} and edge {crossing[1] + 1} "
                "cross or touch",
                code="E444",
                help="list the vertices in the order in which they follow along the boundary",
            )
        object.__setattr__(self, "vertices", tuple(rows))
        object.__setattr__(self, "_array", array)
        object.__setattr__(self, "_counter_clockwise", signed_area(array) > 0.0)

    @property
    def dimension(self) -> int:
        return 2

    @property
    def part_names(self) -> tuple[str, ...]:
        return tuple(f"edge{k + 1}" for k in range(len(self.vertices)))

    def level(self, points: ArrayLike) -> Array:
        x = as_points(points, 2)
        start, along = self._array, np.roll(self._array, -1, axis=0) - self._array
        squared = np.sum(along**2, axis=1)
        distance = np.empty(len(x))
        step = max(BLOCK // len(start), 1)
        for first in range(0, len(x), step):
            px = x[first : first + step, 0, None] - start[:, 0]
            py = x[first : first + step, 1, None] - start[:, 1]
            t = np.clip((px * along[:, 0] + py * along[:, 1]) / squared, 0.0, 1.0)
            gap = (px - t * along[:, 0]) ** 2 + (py - t * along[:, 1]) ** 2
            distance[first : first + step] = np.sqrt(gap.min(axis=1))
        return np.where(odd_crossings(x, self._array), -distance, distance)

    def contains(self, points: ArrayLike) -> Array:
        return odd_crossings(as_points(points, 2), self._array)

    def bounding_box(self) -> tuple[Array, Array]:
        return self._array.min(axis=0), self._array.max(axis=0)

    def pieces(self) -> tuple[Piece, ...]:
        return tuple(self._edge(k) for k in range(len(self._array)))

    def _edge(self, k: int) -> Arc:
        start, end = self._array[k], self._array[(k + 1) % len(self._array)]
        along = (end - start) / np.linalg.norm(end - start)
        normal = np.array([along[1], -along[0]]) * (1.0 if self._counter_clockwise else -1.0)

        def position(s: Array) -> Array:
            # Both forms are exact at their own end and on edges parallel to an axis.
            near = start + s[:, None] * (end - start)
            return np.where(start == end, start, near)

        return Arc(position, lambda s: np.tile(normal, (len(s), 1)), k, straight=True)


@final
@dataclass(frozen=True, slots=True)
class Curve(Region):
    """The inside of a closed, simple, smooth curve. Part: curve.

    `position` maps parameters (m,) in [0, period) to points (m, 2), in either orientation. The
    curve must close: position(0) = position(period).
    """

    position: Callable[[Array], Array]
    period: float
    _vertices: Any = field(init=False, repr=False, compare=False)
    _tree: Any = field(init=False, repr=False, compare=False)
    _counter_clockwise: bool = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        period = positive_number(self.period, "the period of a closed curve")
        object.__setattr__(self, "period", period)
        theta = np.linspace(0.0, period, VERTICES + 1)
        vertices = np.asarray(self.position(theta), dtype=float)
        if vertices.shape != (VERTICES + 1, 2):
            raise GeometryError(
                f"the curve returned an array of shape {vertices.shape} "
                f"for {VERTICES + 1} parameters; two coordinates for each are needed",
                code="E441",
            )
        if not np.isfinite(vertices).all():
            bad = float(theta[int(np.argmin(np.isfinite(vertices).all(axis=1)))])
            raise GeometryError(f"the curve is not finite at the parameter {bad:.6g}", "E442")
        extent = float(np.ptp(vertices, axis=0).max())
        gap = float(np.linalg.norm(vertices[-1] - vertices[0]))
        if extent == 0.0:
            raise GeometryError("the curve is a single point", "E443")
        if gap > 1e-6 * extent:
            raise GeometryError(
                f"the curve does not close: it starts at {format_point(vertices[0])} "
                f"and ends at {format_point(vertices[-1])}",
                code="E444",
                help="check the period, or the factor of the angle",
            )
        vertices = vertices[:-1]
        steps = np.linalg.norm(np.roll(vertices, -1, axis=0) - vertices, axis=1)
        crossing = None if steps.min() == 0.0 else find_crossing(vertices)
        if steps.min() == 0.0 or crossing is not None:
            index = int(np.argmin(steps)) if crossing is None else crossing[0]
            what = "stands still" if crossing is None else "meets itself"
            raise GeometryError(
                f"the curve {what} near {format_point(vertices[index])}", code="E444"
            )
        object.__setattr__(self, "_vertices", vertices)
        object.__setattr__(self, "_tree", None)
        object.__setattr__(self, "_counter_clockwise", signed_area(vertices) > 0.0)

    @property
    def dimension(self) -> int:
        return 2

    @property
    def part_names(self) -> tuple[str, ...]:
        return ("curve",)

    def _at(self, theta: Array) -> Array:
        return np.asarray(self.position(np.mod(theta, self.period)), dtype=float)

    def _tangent(self, theta: Array) -> Array:
        """The derivative by theta: central differences of fourth order."""
        step = 1e-4 * self.period
        one = self._at(theta + step) - self._at(theta - step)
        two = self._at(theta + 2.0 * step) - self._at(theta - 2.0 * step)
        return (8.0 * one - two) / (12.0 * step)

    def _outward(self, tangent: Array) -> Array:
        length = np.linalg.norm(tangent, axis=1, keepdims=True)
        turned = np.column_stack([tangent[:, 1], -tangent[:, 0]]) / length
        return turned if self._counter_clockwise else -turned

    def _nearest(self, x: Array) -> Array:
        """The nearest vertex of every point, by a tree where there are many points."""
        if len(x) <= FEW_POINTS:  # to check a problem, without SciPy's import
            squares = np.sum(self._vertices**2, axis=1) - 2.0 * x @ self._vertices.T
            return np.argmin(squares, axis=1)
        if self._tree is None:
            from scipy.spatial import KDTree

            object.__setattr__(self, "_tree", KDTree(self._vertices))
        tree: Any = self._tree
        return tree.query(x, workers=-1)[1]

    def level(self, points: ArrayLike) -> Array:
        x = as_points(points, 2)
        if len(x) == 0:
            return np.empty(0)
        cell = self.period / VERTICES
        theta = self._nearest(x) * cell
        # Gauss-Newton for the foot of the perpendicular, kept within the neighbouring vertices.
        offset = np.zeros(len(x))
        for _ in range(3):
            tangent = self._tangent(theta + offset)
            gap = x - self._at(theta + offset)
            offset += np.sum(gap * tangent, axis=1) / np.sum(tangent**2, axis=1)
            offset = np.clip(offset, -cell, cell)
        gap = x - self._at(theta + offset)
        distance = np.linalg.norm(gap, axis=1)
        along = np.sum(gap * self._outward(self._tangent(theta + offset)), axis=1)
        # Where the curve is smooth the gap is along the normal; at a corner, count crossings.
        unsure = np.abs(along) < 0.5 * distance
        sign = np.sign(along)
        if unsure.any():
            sign[unsure] = np.where(odd_crossings(x[unsure], self._vertices), -1.0, 1.0)
        return sign * distance

    def bounding_box(self) -> tuple[Array, Array]:
        # Between two vertices the curve bulges by at most an eighth of a step's turn of a step.
        bends = self._vertices[:-2] - 2.0 * self._vertices[1:-1] + self._vertices[2:]
        bulge = np.linalg.norm(bends, axis=1).max() / 4.0
        return self._vertices.min(axis=0) - bulge, self._vertices.max(axis=0) + bulge

    def pieces(self) -> tuple[Piece, ...]:
        return (
            Arc(
                lambda s: self._at(s * self.period),
                lambda s: self._outward(self._tangent(s * self.period)),
                0,
                closed=True,
            ),
        )
