"""The region where a function is negative, within a box."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import gamma, pi, sqrt
from typing import final

import numpy as np
from numpy.typing import ArrayLike

from pdesl.symbolic.geometry.clipping import clip_piece
from pdesl.symbolic.geometry.pieces import (
    Arc,
    Array,
    EndPoint,
    GeometryError,
    Patch,
    Piece,
    as_points,
    direction_parameters,
    format_point,
    low_discrepancy,
    patch_share,
    unit_directions,
)
from pdesl.symbolic.geometry.region import Region, counted_measure, divergence_measure
from pdesl.symbolic.geometry.shapes import Box

__all__ = ["LevelSet"]

GRID = 320  # cells along the longer side on which the zero curve is traced
SURFACE_GRID = 48  # cells along the longest side among which a surface is looked for
NEEDLE = 0.05  # length of the test segments of a surface above three dimensions, in sides


@final
@dataclass(frozen=True, slots=True)
class LevelSet(Region):
    """The points of a box where a function is negative.

    `function` maps points (n, d) to (n,); `gradient`, if given, to (n, d), else central
    differences stand in. Parts: surface, and the faces of the box (by their names in `Box`) if
    the region reaches them. Details smaller than 1/300 of the box may be missed.
    """

    function: Callable[[Array], Array]
    lower: tuple[float, ...]
    upper: tuple[float, ...]
    gradient: Callable[[Array], Array] | None = None
    _box: Box = field(init=False, repr=False, compare=False)
    _pieces: tuple[Piece, ...] = field(init=False, repr=False, compare=False)
    _part_names: tuple[str, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        box = Box(self.lower, self.upper)
        object.__setattr__(self, "lower", box.lower)
        object.__setattr__(self, "upper", box.upper)
        object.__setattr__(self, "_box", box)
        shift = np.zeros(box.dimension)
        low, high = box.bounding_box()
        self._value(low + low_discrepancy(256, box.dimension, shift) * (high - low))
        surface = self._surface()
        walls = [
            piece
            for wall in box.pieces()
            for piece in self._wall(wall)
            if not isinstance(piece, Patch) or patch_share(piece) > 0.0
        ]
        used = tuple(i for i, _ in enumerate(box.part_names) if any(p.part == i for p in walls))
        if not surface and not walls:
            raise GeometryError(
                "the level set is empty: its function is not negative anywhere in the box "
                f"from {format_point(low)} to {format_point(high)}",
                code="E443",
                help="check the sign (the region is where the function is < 0) and the box",
            )
        names = (("surface",) if surface else ()) + tuple(box.part_names[i] for i in used)
        offset = 1 if surface else 0
        pieces = tuple(surface) + tuple(_renamed(p, offset + used.index(p.part)) for p in walls)
        object.__setattr__(self, "_pieces", pieces)
        object.__setattr__(self, "_part_names", names)

    @property
    def dimension(self) -> int:
        return len(self.lower)

    @property
    def part_names(self) -> tuple[str, ...]:
        return self._part_names

    def _value(self, points: Array) -> Array:
        values = np.asarray(self.function(points), dtype=float)
        if values.shape not in ((), (len(points),)):
            raise GeometryError(
                f"the level-set function returned an array of shape {values.shape} for "
                f"{len(points)} points; one number a point is needed",
                code="E441",
            )
        values = np.broadcast_to(values, (len(points),))
        if not np.isfinite(values).all():
            where = points[int(np.argmin(np.isfinite(values)))]
            raise GeometryError(
                f"the level-set function is not finite at {format_point(where)}",
                code="E442",
                help="choose a box in which it is finite",
            )
        return values

    def _slope(self, points: Array) -> Array:
        """The gradient at points (n, d)."""
        if self.gradient is not None:
            return np.asarray(self.gradient(points), dtype=float).reshape(points.shape)
        step = 1e-5 * (np.array(self.upper) - np.array(self.lower))
        columns = []
        for axis in range(self.dimension):
            shift = np.zeros(self.dimension)
            shift[axis] = step[axis]
            ahead, behind = self.function(points + shift), self.function(points - shift)
            columns.append(np.broadcast_to((ahead - behind) / (2.0 * step[axis]), len(points)))
        return np.column_stack(columns)

    def level(self, points: ArrayLike) -> Array:
        """max(g / |∇g|, level of the box): the signed distance to first order near the zeros."""
        x = as_points(points, self.dimension)
        if len(x) == 0:
            return np.empty(0)
        value = self._value(x)
        steepness = np.linalg.norm(self._slope(x), axis=1)
        # No point is farther than the size of the box, whatever a flat gradient says.
        steepness = np.maximum(steepness, np.abs(value) / self.size)
        distance = np.divide(value, steepness, out=np.zeros(len(x)), where=steepness > 0.0)
        return np.maximum(distance, self._box.level(x))

    def contains(self, points: ArrayLike) -> Array:
        x = as_points(points, self.dimension)
        return (self._box.level(x) < 0.0) & (self._value(x) < 0.0)

    def bounding_box(self) -> tuple[Array, Array]:
        return self._box.bounding_box()

    def pieces(self) -> tuple[Piece, ...]:
        return self._pieces

    @property
    def measure(self) -> float:
        """Length, area or volume: exact sums (d <= 2), else by counting points of the box."""
        if self.dimension <= 2:
            return divergence_measure(self)
        return counted_measure(self)

    def _wall(self, wall: Piece) -> list[Piece]:
        step = 1e-7 * self.size

        def sign(points: Array, normals: Array) -> Array:
            return np.where(self._value(points - step * normals) < 0.0, 1.0, 0.0)

        return clip_piece(wall, sign)

    def _normal(self, points: Array) -> Array:
        slope = self._slope(points)
        length = np.linalg.norm(slope, axis=1, keepdims=True)
        if not (length > 0.0).all():
            where = points[int(np.argmin(length[:, 0]))]
            raise GeometryError(
                f"the gradient of the level-set function vanishes on the boundary "
                f"at {format_point(where)}: the boundary has no normal there",
                code="E445",
                help="use a function that crosses zero with a slope, such as a distance",
            )
        return slope / length

    def _root(self, negative: Array, positive: Array) -> Array:
        """Zeros between points where the function is negative and points where it is not."""
        low, high = negative.copy(), positive.copy()
        for _ in range(48):
            middle = (low + high) / 2.0
            below = self._value(middle) < 0.0
            low = np.where(below[:, None], middle, low)
            high = np.where(below[:, None], high, middle)
        return (low + high) / 2.0

    def _onto(self, points: Array) -> Array:
        """Newton's method along the gradient, from points near the zeros, within the box."""
        for _ in range(4):
            slope = self._slope(points)
            squared = np.sum(slope**2, axis=1)
            move = np.divide(
                self._value(points), squared, out=np.zeros(len(points)), where=squared > 0.0
            )
            points = np.clip(points - move[:, None] * slope, *self.bounding_box())
        return points

    def _surface(self) -> list[Piece]:
        if self.dimension == 1:
            return self._zeros()
        if self.dimension == 2:
            return [self._trace(*line) for line in self._polylines()]
        patch = self._needles()
        return [patch] if patch.area > 0.0 and patch_share(patch) > 0.0 else []

    def _zeros(self) -> list[Piece]:
        x = np.linspace(self.lower[0], self.upper[0], 16 * GRID + 1)[:, None]
        below = self._value(x) < 0.0
        change = np.nonzero(below[1:] != below[:-1])[0]
        falls = below[change + 1]
        roots = self._root(
            np.where(falls[:, None], x[change + 1], x[change]),
            np.where(falls[:, None], x[change], x[change + 1]),
        )[:, 0]
        return [
            EndPoint(float(root), -1.0 if fall else 1.0, 0)
            for root, fall in zip(roots, falls, strict=True)
        ]

    def _polylines(self) -> list[tuple[Array, bool]]:
        """The zero curves as vertices (m, 2) on them, each with whether it is closed.

        Marching squares: zeros on the edges of a grid, linked within each cell.
        """
        low, high = self.bounding_box()
        cells = np.maximum(np.ceil(GRID * (high - low) / np.max(high - low)), 16).astype(int)
        axes = [np.linspace(a, b, n + 1) for a, b, n in zip(low, high, cells, strict=True)]
        grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
        below = (self._value(grid.reshape(-1, 2)) < 0.0).reshape(cells + 1)
        across, along = below[1:] != below[:-1], below[:, 1:] != below[:, :-1]
        number_across = np.cumsum(across).reshape(across.shape) - 1
        number_along = np.cumsum(along).reshape(along.shape) - 1 + int(across.sum())
        i, j = np.nonzero(across)
        k, m = np.nonzero(along)
        first = np.concatenate([grid[i, j], grid[k, m]])
        second = np.concatenate([grid[i + 1, j], grid[k, m + 1]])
        first_below = np.concatenate([below[i, j], below[k, m]])[:, None]
        if len(first) == 0:
            return []
        vertices = self._root(
            np.where(first_below, first, second), np.where(first_below, second, first)
        )
        # The four edges of a cell: bottom, right, top, left.
        numbers = np.stack(
            [number_across[:, :-1], number_along[1:], number_across[:, 1:], number_along[:-1]], -1
        )
        crossed = np.stack([across[:, :-1], along[1:], across[:, 1:], along[:-1]], axis=-1)
        total = crossed.sum(axis=-1)
        plain = total == 2
        links = numbers[plain][crossed[plain]].reshape(-1, 2)
        i, j = np.nonzero(total == 4)
        if len(i):
            # A saddle: its middle decides which opposite corners belong together.
            middle = self._value((grid[i, j] + grid[i + 1, j + 1]) / 2.0) < 0.0
            same = middle == below[i, j]
            four = numbers[i, j]
            pairs = np.where(same[:, None], four[:, [0, 1, 2, 3]], four[:, [0, 3, 1, 2]])
            links = np.concatenate([links, pairs.reshape(-1, 2)])
        return [(vertices[chain], closed) for chain, closed in _chains(links, len(vertices))]

    def _trace(self, vertices: Array, closed: bool) -> Arc:
        if closed:
            vertices = np.concatenate([vertices, vertices[:1]])
        steps = np.linalg.norm(np.diff(vertices, axis=0), axis=1)
        kept = np.concatenate([[True], steps > 1e-9 * self.size])
        vertices = vertices[kept]
        places = np.concatenate([[0.0], np.cumsum(steps[kept[1:]])])
        places /= places[-1]

        def position(s: Array) -> Array:
            return self._onto(np.column_stack([np.interp(s, places, axis) for axis in vertices.T]))

        return Arc(position, lambda s: self._normal(position(s)), 0, closed=closed)

    def _needles(self) -> Patch:
        """The surface as the crossings of short needles thrown at random places and directions.

        Their density is even in area: a needle of length l in a volume V crosses an area A with
        probability A l E|cos| / V (Buffon and Crofton), E|cos| = Γ(d/2) / (√π Γ((d+1)/2)).
        """
        corners, cell = self._cells()
        dimension, length = self.dimension, float(np.min(cell))
        if dimension > 3:
            length *= NEEDLE
        cosine = gamma(dimension / 2.0) / (sqrt(pi) * gamma((dimension + 1.0) / 2.0))
        area = len(corners) * float(np.prod(cell)) / (length * cosine)

        def chart(uniform: Array) -> tuple[Array, Array, Array]:
            # The first number chooses a cell, and what is left of it a place in the cell.
            scaled = uniform[:, :1] * len(corners)
            chosen = np.minimum(scaled.astype(np.int64), len(corners) - 1)
            within = np.column_stack([scaled - chosen, uniform[:, 1:dimension]])
            middle = corners[chosen[:, 0]] + within * cell
            half = unit_directions(uniform[:, dimension:], dimension) * (length / 2.0)
            start, end = middle - half, middle + half
            below = self._inside_hull(start)
            keep = below != self._inside_hull(end)
            points, normals = middle, np.zeros_like(middle)
            first = below[keep, None]
            points[keep] = self._root(
                np.where(first, start[keep], end[keep]), np.where(first, end[keep], start[keep])
            )
            keep[keep] = self._box.level(points[keep]) < 0.0
            normals[keep] = self._normal(points[keep])
            return points, normals, keep

        def project(points: Array) -> tuple[Array, Array]:
            on_surface = self._onto(points)
            return on_surface, self._normal(on_surface)

        return Patch(chart, project, 0, dimension + direction_parameters(dimension), area)

    def _cells(self) -> tuple[Array, Array]:
        """Corners (n, d) and sides (d,) of the cells that may hold the surface.

        In space those of a grid at whose corners the sign changes, and their neighbours; above,
        where a grid would be too large, the whole box as one cell.
        """
        low, high = self.bounding_box()
        if self.dimension > 3:
            return low[None], high - low
        counts = np.maximum(np.round(SURFACE_GRID * (high - low) / np.max(high - low)), 8)
        cell = (high - low) / counts
        axes = [a + s * np.arange(n + 1) for a, s, n in zip(low, cell, counts, strict=True)]
        grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
        below = self._inside_hull(grid.reshape(-1, 3)).reshape(grid.shape[:-1])
        for axis in range(3):
            ends = np.moveaxis(below.astype(np.int8) if axis == 0 else below, axis, 0)
            below = np.moveaxis(ends[1:] + ends[:-1], 0, axis)
        mixed = np.pad((below > 0) & (below < 8), 1)
        for axis in range(3):
            ends = np.moveaxis(mixed, axis, 0)
            grown = ends.copy()
            grown[1:] |= ends[:-1]
            grown[:-1] |= ends[1:]
            mixed = np.moveaxis(grown, 0, axis)
        index = np.stack(np.nonzero(mixed), axis=-1) - 1
        return low + index * cell, cell

    def _inside_hull(self, points: Array) -> Array:
        """Whether the function is negative, continued constantly beyond the box."""
        return self._value(np.clip(points, *self.bounding_box())) < 0.0


def _renamed(piece: Piece, part: int) -> Piece:
    """The same piece with another part index."""
    from dataclasses import replace

    return replace(piece, part=part)


def _chains(links: Array, count: int) -> list[tuple[Array, bool]]:
    """Chains of vertices from undirected links, each with whether it is closed."""
    neighbours: list[list[int]] = [[] for _ in range(count)]
    for one, two in links.tolist():
        neighbours[one].append(two)
        neighbours[two].append(one)
    seen = np.zeros(count, dtype=bool)
    chains = []
    ends = [v for v in range(count) if len(neighbours[v]) == 1]
    for start in [*ends, *range(count)]:
        if seen[start] or not neighbours[start]:
            continue
        chain, current = [start], start
        seen[start] = True
        while True:
            following = [v for v in neighbours[current] if not seen[v]]
            if not following:
                break
            current = following[0]
            seen[current] = True
            chain.append(current)
        closed = len(chain) > 2 and chain[0] in neighbours[chain[-1]]
        if len(chain) > 1:
            chains.append((np.array(chain), closed))
    return chains
