"""Nodes for a region: interior, boundary with normals, and ghosts outside.

`make_cloud` places them quasi-uniformly, by a seed and a count or a spacing; `Cloud.from_arrays`
takes them from elsewhere; `make_test_points` spreads independent points for measuring errors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial import KDTree

from pdesl.lowering.cloud_boundary import ghost_nodes
from pdesl.lowering.cloud_place import (
    BOUNDARY_SHARE,
    MOST_NODES,
    fill,
    first_scale,
    place_in_many_dimensions,
    place_in_space,
    place_on_line,
)
from pdesl.symbolic.geometry import GeometryError, Region, Spacing
from pdesl.symbolic.geometry.pieces import Array, evaluate_spacing
from pdesl.symbolic.geometry.sampling import morton_order, packing, scatter

__all__ = ["Cloud", "FileOrigin", "make_cloud", "make_test_points"]


@dataclass(frozen=True, slots=True)
class FileOrigin:
    """The file that nodes were read from: its path as stated, its bytes and their SHA-256."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True, eq=False)
class Cloud:
    """Nodes of a region in d dimensions, each group along a space-filling curve.

    `interior` (Ni, d); `boundary` (Nb, d) with outward unit `normals` (Nb, d) and `part` (Nb,),
    indices into `part_names`; `ghost` (Nb, d) or (0, d), the k-th outside the k-th boundary
    node; `spacing` (Ni + Nb,), the local spacing at interior and boundary nodes; `periods` (d,),
    0 for a coordinate that is not periodic; `origin`, the file they were read from, if any.
    """

    interior: Array
    boundary: Array
    ghost: Array
    normals: Array
    part: Array
    part_names: tuple[str, ...]
    spacing: Array
    periods: tuple[float, ...]
    origin: FileOrigin | None = None

    @property
    def dimension(self) -> int:
        return self.interior.shape[1]

    @property
    def interior_count(self) -> int:
        return len(self.interior)

    @property
    def boundary_count(self) -> int:
        return len(self.boundary)

    @property
    def ghost_count(self) -> int:
        return len(self.ghost)

    @property
    def evaluation_count(self) -> int:
        """Ni + Nb, the N of the papers."""
        return len(self.interior) + len(self.boundary)

    @property
    def evaluation(self) -> Array:
        """[interior; boundary], where equations hold."""
        return np.concatenate([self.interior, self.boundary])

    @property
    def points(self) -> Array:
        """[interior; boundary; ghost], where unknowns live."""
        return np.concatenate([self.interior, self.boundary, self.ghost])

    def periodic_images(self, reach: float) -> tuple[Array, Array]:
        """Copies, shifted by periods, of points within `reach` of the cell: (points, indices).

        The indices say of which row of `points` each is a copy. Empty without periods.
        """
        everything = self.points
        images, sources = everything, np.arange(len(everything))
        for axis in np.nonzero(np.array(self.periods))[0]:
            period = self.periods[axis]
            low, high = everything[:, axis].min(), everything[:, axis].max()
            for shift in (-period, period):
                moved = images.copy()
                moved[:, axis] += shift
                near = (moved[:, axis] > low - reach) & (moved[:, axis] < high + reach)
                near &= np.abs(images[:, axis] - (low + high) / 2.0) <= period / 2.0
                images = np.concatenate([images, moved[near]])
                sources = np.concatenate([sources, sources[: len(near)][near]])
        return images[len(everything) :], sources[len(everything) :]

    @classmethod
    def from_arrays(
        cls,
        interior: ArrayLike,
        boundary: ArrayLike,
        normals: ArrayLike,
        *,
        part: ArrayLike | None = None,
        part_names: Sequence[str] = ("boundary",),
        ghost: ArrayLike | bool = True,
        ghost_distance: float = 1.0,
        periods: Sequence[float] | None = None,
    ) -> Cloud:
        """A cloud of given nodes, in the given order; normals are made unit vectors.

        `ghost` is an array (Nb, d), or whether to place ghosts at `ghost_distance` local
        spacings along the normals. The local spacing is the mean distance to the nearest
        neighbours, two in one dimension and 2 d above that, shrunk to the typical nearest one.

        Raises `GeometryError` for wrong shapes, values that are not finite, normals of length
        zero, parts without a name, and nodes given twice.
        """
        inner, outer, arrows = (
            np.array(a, dtype=float, ndmin=2) for a in (interior, boundary, normals)
        )
        dimension = inner.shape[1]
        outer, arrows = outer.reshape(-1, dimension), arrows.reshape(-1, dimension)
        if outer.shape != arrows.shape:
            raise GeometryError(
                f"{len(outer)} boundary nodes have {len(arrows)} normals; one each is needed",
                code="E441",
            )
        labels = np.zeros(len(outer), dtype=np.int64) if part is None else np.array(part)
        if labels.shape != (len(outer),) or labels.dtype.kind not in "iu":
            raise GeometryError("the parts must be one integer for each boundary node", "E441")
        if len(labels) and (labels.min() < 0 or labels.max() >= len(part_names)):
            raise GeometryError(
                f"the parts run from {labels.min()} to {labels.max()}, "
                f"but {len(part_names)} names are given",
                code="E441",
            )
        for what, array in (("node", inner), ("node", outer), ("normal", arrows)):
            if not np.isfinite(array).all():
                row = int(np.argmin(np.isfinite(array).all(axis=1)))
                raise GeometryError(f"a {what} is not finite (row {row})", "E442")
        length = np.linalg.norm(arrows, axis=1, keepdims=True)
        if (length == 0.0).any():
            row = int(np.argmin(length))
            raise GeometryError(f"the normal of boundary node {row} is zero", "E445")
        arrows = arrows / length
        everything = np.concatenate([inner, outer])
        if len(everything) < 2:
            raise GeometryError("a cloud needs two nodes at least", "E449")
        tree: Any = KDTree(everything)
        distance, index = tree.query(everything, k=2)
        if (distance[:, 1] == 0.0).any():
            one = int(np.argmin(distance[:, 1]))
            pair = sorted((one, int(index[one][index[one] != one][0])))
            raise GeometryError(f"nodes {pair[0]} and {pair[1]} are the same point", "E442")
        h = _neighbour_spacing(everything)
        if isinstance(ghost, bool | np.bool_):
            away = ghost_distance * h[len(inner) :, None] * arrows
            outside = outer + away if ghost else outer[:0]
        else:
            outside = np.array(ghost, dtype=float).reshape(-1, dimension)
            if len(outside) not in (0, len(outer)) or not np.isfinite(outside).all():
                raise GeometryError(
                    f"{len(outside)} ghost nodes for {len(outer)} boundary nodes: "
                    "one finite one each is needed, or none",
                    code="E441",
                )
        wraps = tuple(float(p) for p in periods) if periods is not None else (0.0,) * dimension
        names = tuple(part_names)
        return cls(inner, outer, outside, arrows, labels.astype(np.int64), names, h, wraps)


def _neighbour_spacing(points: Array) -> Array:
    """A smooth local spacing: distances to the nearest node, averaged over the neighbourhood."""
    count = min(2 * points.shape[1] + 1, len(points))
    tree: Any = KDTree(points)
    distance, index = tree.query(points, k=count, workers=-1)
    return distance[:, 1][index].mean(axis=1)


def make_cloud(
    region: Region,
    *,
    nodes: int | None = None,
    spacing: Spacing | None = None,
    seed: int = 0,
    ghost: bool = True,
    ghost_distance: float = 1.0,
) -> Cloud:
    """Quasi-uniform nodes of a region; the same seed gives the same bits.

    `nodes` is the number of interior and boundary nodes together; `spacing` the distance between
    neighbours, a number or a function of points (n, d) to (n,). With both, the function is
    scaled to give that number. Nearest neighbours are then at 0.7 to 1 spacings, and no place
    of the region is farther than about one spacing from a node. With `ghost`, every boundary
    node gets a node at `ghost_distance` spacings outside. Above three dimensions nodes are
    low-discrepancy points, a quarter of them on the boundary.

    Raises `GeometryError` for too few nodes, a spacing that leaves no interior node or gaps
    that it cannot resolve, and for a number of nodes beyond any memory.
    """
    _check_request(region, nodes, spacing, ghost_distance)
    random = np.random.default_rng(seed)
    if region.dimension == 1:
        interior, sample, h = place_on_line(region, nodes, spacing)
    elif region.dimension <= 3:
        interior, sample, h = place_in_space(region, nodes, spacing, seed, random)
    else:
        interior, sample, h = place_in_many_dimensions(region, nodes, spacing, random)
    interior = _into_cell(region, interior)[morton_order(interior)]
    order = morton_order(sample.points)
    boundary, normals = _into_cell(region, sample.points[order]), sample.normals[order]
    local = evaluate_spacing(h, np.concatenate([interior, boundary]))
    edge = local[len(interior) :]
    outside = (
        ghost_nodes(region, boundary, normals, edge, ghost_distance) if ghost else boundary[:0]
    )
    return Cloud(
        interior,
        boundary,
        outside,
        normals,
        sample.part[order],
        region.part_names,
        local,
        region.periods,
    )


def _check_request(
    region: Region, nodes: int | None, spacing: Spacing | None, ghost_distance: float
) -> None:
    if nodes is None and spacing is None:
        raise GeometryError("the number of nodes or their spacing is needed", "E447")
    if nodes is not None and spacing is not None and not callable(spacing):
        raise GeometryError(
            "the number of nodes and their spacing cannot both be chosen",
            code="E447",
            help="give one of them, or a spacing that is a function: it is scaled to the number",
        )
    if nodes is not None and not 2 <= nodes <= MOST_NODES:
        few = nodes < 2
        raise GeometryError(
            f"{nodes} nodes are too {'few' if few else 'many'}: "
            f"{'2 at least' if few else f'{MOST_NODES} at most'} can be placed",
            code="E449" if few else "E448",
        )
    if nodes is None and spacing is not None and not callable(spacing):
        lower, upper = region.bounding_box()
        evaluate_spacing(spacing, ((lower + upper) / 2.0)[None])
        if spacing > region.size:
            raise GeometryError(
                f"the node spacing {spacing:g} is larger than the region, whose longest side "
                f"is {region.size:g}",
                code="E449",
                help="use a smaller spacing",
            )
    if not (np.isfinite(ghost_distance) and ghost_distance > 0.0):
        raise GeometryError(
            f"the ghost distance must be positive and finite, not {ghost_distance}", "E447"
        )


def _into_cell(region: Region, points: Array) -> Array:
    lower, _ = region.bounding_box()
    for axis in np.nonzero(np.array(region.periods))[0]:
        period = region.periods[axis]
        outside = (points[:, axis] < lower[axis]) | (points[:, axis] >= lower[axis] + period)
        wrapped = lower[axis] + np.mod(points[outside, axis] - lower[axis], period)
        points[outside, axis] = wrapped
    return points


def make_test_points(region: Region, count: int, seed: int) -> Array:
    """At least `count` points inside and on the boundary, (n, d), for measuring errors.

    Low-discrepancy points inside, then points on every piece of the boundary in the proportion
    of a quasi-uniform set; a stream of random numbers of its own keeps them independent of the
    nodes that `make_cloud` places with the same seed.
    """
    if count < 1:
        raise GeometryError(f"the number of test points must be positive, not {count}", "E449")
    if not region.dimension:  # the one place that there is
        return np.zeros((count, 0))
    random = np.random.default_rng([seed, 0x7E57])
    pieces, dimension = region.pieces(), region.dimension
    on_edge = 0
    if pieces and dimension > 3:
        on_edge = int(np.ceil(BOUNDARY_SHARE * count))
    elif pieces and dimension > 1:
        scale = first_scale(region, 1.0, max(count, 2))
        share = region.boundary_measure / packing(dimension - 1) / scale ** (dimension - 1)
        on_edge = int(np.clip(np.ceil(share), 1, count))
    edge = scatter(pieces, dimension, max(on_edge, 1), random).points if pieces else None
    inner = fill(region, max(count - (0 if edge is None else len(edge)), 1), random)
    return inner if edge is None else np.concatenate([inner, edge])
