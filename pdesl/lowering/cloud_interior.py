"""Quasi-uniform nodes inside a region, given those on its boundary.

At a constant spacing: a hexagonal (plane) or body-centred cubic (space) lattice, clipped to the
region at the distance from the boundary that keeps the density, and relaxed by repulsion in
the layers next to the boundary. At a variable spacing: places in the cells of a tree that are as
small as the local spacing, nodes chosen among them along a space-filling curve with the right
density, spread by Lloyd's iteration on the places.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.spatial import KDTree

from pdesl.symbolic.geometry import GeometryError, Region, Spacing
from pdesl.symbolic.geometry.pieces import Array, evaluate_spacing
from pdesl.symbolic.geometry.sampling import morton_order, packing

__all__ = [
    "CELLS",
    "DEEP",
    "LATTICE",
    "Candidates",
    "Repulsion",
    "choose_along_curve",
    "clearance",
    "lattice_candidates",
    "layer",
    "periodic_tree",
    "relax",
    "spread",
    "tree_candidates",
]

DEEP = 4.0
CHUNK = 1 << 19
MOST_CANDIDATES = 300_000_000
NEIGHBOURS = {2: 8, 3: 16}  # that push a node, itself included
PER_NODE = 16  # places for each node in Lloyd's iteration
LLOYD_STEPS, OVERRELAXATION = 10, 1.8
SAME_NEIGHBOURS = 3  # steps for which a node keeps the list of its neighbours
WALL = 0.55  # spacings between interior nodes and the tangent planes of the boundary


def layer(dimension: int) -> float:
    """Distance from the boundary, in spacings, that belongs to the boundary nodes.

    Half of a cell: packing(d) / packing(d - 1) / 2.
    """
    return packing(dimension) / packing(dimension - 1) / 2.0 if dimension > 1 else 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """Places for interior nodes (n, d).

    `clearance` (n,) is the distance from the boundary in local spacings, at most `DEEP`; `share`
    (n,) is how many nodes each place stands for: 1 on a lattice, a fraction in a tree.
    """

    points: Array
    clearance: Array
    share: Array


@dataclass(frozen=True, slots=True)
class Repulsion:
    """How interior nodes push each other: reach in spacings, gain, and number of steps."""

    reach: float
    gain: float
    steps: int


LATTICE = Repulsion(1.5, 0.15, 20)  # evens out the layers where a lattice meets a boundary
CELLS = Repulsion(1.2, 0.3, 6)  # parts the closest pairs that Lloyd's iteration leaves


def periodic_tree(
    points: Array, lower: Array, periods: Array
) -> tuple[Any, Callable[[Array], Array]]:
    """A nearest-neighbour tree that knows periods, and the map into its coordinates."""
    if not periods.any():
        return KDTree(points), lambda x: x

    def wrap(x: Array) -> Array:
        wrapped = x - lower
        for axis in np.nonzero(periods)[0]:
            wrapped[:, axis] = np.mod(wrapped[:, axis], periods[axis])
            # A tiny negative number becomes the period itself, which the tree refuses.
            wrapped[wrapped[:, axis] >= periods[axis], axis] = 0.0
        return wrapped

    return KDTree(wrap(points), boxsize=periods), wrap


def clearance(
    region: Region, boundary: Array, spacing: Spacing, points: Array
) -> tuple[Array, Array]:
    """Distance from the boundary in local spacings (at most `DEEP`), and the spacing, at points.

    Near boundary nodes it is the level function's; the nodes tell the real boundary from the
    inner seams of a union, where the level function vanishes too.
    """
    h = evaluate_spacing(spacing, points)
    result = np.full(len(points), DEEP)
    if len(boundary) == 0 or len(points) == 0:
        return result, h
    lower, _ = region.bounding_box()
    tree, wrap = periodic_tree(boundary, lower, np.array(region.periods))
    gap = tree.query(wrap(points), workers=-1)[0] / h
    near = gap < DEEP
    depth = -region.level(points[near]) / h[near]
    half = 0.6 if region.dimension == 2 else 0.75
    seam = np.sqrt(np.maximum(gap[near] ** 2 - half**2, 0.0))
    result[near] = np.minimum(np.maximum(depth, seam), DEEP)
    return result, h


class _Blocks:
    """A coarse grid over a region: which of its cells lie inside, outside, or are cut."""

    def __init__(self, region: Region, boundary: Array, reach: Array | float):
        lower, upper = region.bounding_box()
        extent = upper - lower
        most = 128 if region.dimension == 2 else 40
        self.cell = max(float(extent.max()) / most, float(np.max(reach, initial=0.0)))
        self.shape = np.maximum(np.ceil(extent / self.cell - 1e-9), 1.0).astype(np.int64)
        self.lower, self.region = lower, region
        index = np.stack(np.unravel_index(np.arange(int(np.prod(self.shape))), self.shape), -1)
        self.centres = lower + (index + 0.5) * self.cell
        centres = np.minimum(self.centres, upper)
        self.status = np.where(region.contains(centres), 1, 0).astype(np.int8)
        if len(boundary):
            tree, wrap = periodic_tree(boundary, lower, np.array(region.periods))
            radius = self.cell * np.sqrt(region.dimension) + np.max(reach)
            self.status[tree.query(wrap(centres), workers=-1)[0] <= radius] = 2

    def inside(self, points: Array) -> Array:
        """Which of the points (n, d) lie inside the region."""
        index = ((points - self.lower) / self.cell).astype(np.int64)
        index = np.clip(index, 0, self.shape - 1)
        status = self.status[np.ravel_multi_index(tuple(index.T), tuple(self.shape))]
        keep = status == 1
        cut = np.nonzero(status == 2)[0]
        keep[cut] = self.region.contains(points[cut])
        return keep


def _lattice(
    region: Region, h: float, random: np.random.Generator
) -> tuple[int, Callable[[Array], Array]]:
    """The number of lattice points over the bounding box, and the map from index to point."""
    lower, upper = region.bounding_box()
    extent, periods = upper - lower, np.array(region.periods)
    if region.dimension == 2:
        sides, basis = np.array([1.0, np.sqrt(3.0)]) * h, np.array([[0.0, 0.0], [0.5, 0.5]])
    else:
        sides, basis = np.full(3, 2.0 / np.sqrt(3.0)) * h, np.array([[0.0] * 3, [0.5] * 3])
    # A periodic direction takes a whole number of cells; any other gets a random offset.
    wraps = periods > 0.0
    counts = np.where(wraps, np.maximum(np.round(extent / sides), 1.0), np.ceil(extent / sides) + 1)
    sides = np.where(wraps, extent / counts, sides)
    total = float(np.prod(counts)) * len(basis)
    if total > MOST_CANDIDATES:
        raise GeometryError(
            f"the nodes at spacing {h:.3g} would have to be searched among {total:.1e} places",
            code="E448",
            help="use a larger spacing or fewer nodes; a thin region fits better in a chart "
            "of its own",
        )
    start = lower - np.where(wraps, 0.0, sides) * random.random(region.dimension)
    shape = tuple(counts.astype(np.int64)) + (len(basis),)

    def place(index: Array) -> Array:
        *cell, member = np.unravel_index(index, shape)
        return start + (np.stack(cell, axis=-1) + basis[member]) * sides

    return int(total), place


def lattice_candidates(
    region: Region, boundary: Array, h: float, random: np.random.Generator
) -> Candidates:
    """The lattice points of spacing h inside a region in two or three dimensions."""
    blocks = _Blocks(region, boundary, h)
    lower, upper = region.bounding_box()
    total, place = _lattice(region, h, random)
    kept = []
    for first in range(0, total, CHUNK):
        points = place(np.arange(first, min(first + CHUNK, total)))
        points = points[np.all((points >= lower) & (points <= upper), axis=1)]
        kept.append(points[blocks.inside(points)])
    points = np.concatenate(kept)
    depth, _ = clearance(region, boundary, h, points)
    return Candidates(points, depth, np.ones(len(points)))


def tree_candidates(
    region: Region, boundary: Array, spacing: Spacing, random: np.random.Generator
) -> Candidates:
    """Places inside a region, denser where the spacing is smaller, several for each node.

    Cells are halved until they are smaller than the spacing at their centre; each holds 2^d
    places, one at random in every half of a half.
    """
    dimension = region.dimension
    reach = evaluate_spacing(spacing, boundary) if len(boundary) else 0.0
    lower, upper = region.bounding_box()
    blocks = _Blocks(region, boundary, np.minimum(reach, float((upper - lower).max()) / 16.0))
    centres = blocks.centres[blocks.status > 0]
    corners = np.stack(np.unravel_index(np.arange(2**dimension), (2,) * dimension), -1) - 0.5
    size, leaves, total = blocks.cell, [], 0
    while len(centres):
        h = evaluate_spacing(spacing, np.clip(centres, lower, upper))
        small = size <= 0.7 * h
        for part in _chunks(centres[small]):
            places = part[:, None] + corners * (size / 2.0)
            places = places + (random.random(places.shape) - 0.5) * (size / 2.0)
            places = places.reshape(-1, dimension)
            places = places[np.all((places > lower) & (places < upper), axis=1)]
            places = places[blocks.inside(places)]
            leaves.append((places, np.full(len(places), (size / 2.0) ** dimension)))
            total += len(places)
        centres = (centres[~small][:, None] + corners * (size / 2.0)).reshape(-1, dimension)
        size /= 2.0
        if max(total, len(centres)) > MOST_CANDIDATES // 6:
            raise GeometryError(
                f"the spacing asks for more than {total:.1e} nodes near its smallest values",
                code="E448",
                help="use a larger spacing",
            )
    points = np.concatenate([leaf for leaf, _ in leaves]) if leaves else np.empty((0, dimension))
    volume = np.concatenate([v for _, v in leaves]) if leaves else np.empty(0)
    depth, h = clearance(region, boundary, spacing, points)
    return Candidates(points, depth, volume / (packing(dimension) * h**dimension))


def _chunks(array: Array) -> Iterator[Array]:
    for first in range(0, len(array), CHUNK):
        yield array[first : first + CHUNK]


def choose_along_curve(candidates: Candidates, count: int) -> Array:
    """`count` of the places, evenly in their shares along a space-filling curve."""
    order = morton_order(candidates.points)
    total = np.cumsum(candidates.share[order])
    if len(total) == 0 or count == 0:
        return candidates.points[:0]
    marks = (np.arange(count) + 0.5) * (total[-1] / count)
    return candidates.points[order[np.unique(np.searchsorted(total, marks))]]


def _shortest(vectors: Array, periods: Array) -> Array:
    """Differences of points (..., d), shortened by whole periods, in place."""
    for axis in np.nonzero(periods)[0]:
        vectors[..., axis] -= periods[axis] * np.round(vectors[..., axis] / periods[axis])
    return vectors


def spread(
    points: Array, boundary: Array, region: Region, spacing: Spacing, candidates: Candidates
) -> Array:
    """Nodes moved to the centroids of their cells among the candidates, the boundary fixed.

    Lloyd's iteration, over-relaxed, with the density h^-(d+2) that makes the cells of a
    centroidal Voronoi tessellation as large as the local spacing (Du, Faber and Gunzburger
    1999, section 6); the candidates' own density is h^-d.
    """
    lower, _ = region.bounding_box()
    periods = np.array(region.periods)
    total = np.cumsum(candidates.share)
    count = min(PER_NODE * (len(points) + len(boundary) // 2), len(total))
    marks = (np.arange(count) + 0.5) * (total[-1] / count)
    places = candidates.points[np.searchsorted(total, marks)]
    mass = evaluate_spacing(spacing, places) ** -2.0
    points, nodes = points.copy(), len(points)
    for _ in range(LLOYD_STEPS):
        everything = np.concatenate([points, boundary])
        tree, wrap = periodic_tree(everything, lower, periods)
        owner = tree.query(wrap(places.copy()), workers=-1)[1]
        arms = _shortest(places - everything[owner], periods)
        size = np.bincount(owner, mass, minlength=len(everything))[:nodes]
        for axis in range(points.shape[1]):
            moment = np.bincount(owner, mass * arms[:, axis], minlength=len(everything))[:nodes]
            step = np.divide(moment, size, out=np.zeros(nodes), where=size > 0.0)
            points[:, axis] += OVERRELAXATION * step
    return points


def relax(
    points: Array,
    boundary: Array,
    normals: Array,
    region: Region,
    spacing: Spacing,
    active: Array,
    repulsion: Repulsion,
) -> Array:
    """Interior nodes moved apart by repulsion between neighbours; the boundary stays.

    A neighbour at a distance r < reach h pushes by gain h (reach - r/h)²; a step is at most h/4.
    Nodes keep about half a spacing from the tangent plane of the nearest boundary node. Only active
    nodes move; those that left the region go back to where they started.
    """
    lower, _ = region.bounding_box()
    periods = np.array(region.periods)
    start, points = points, points.copy()
    moving = np.nonzero(active)[0]
    count = min(NEIGHBOURS[region.dimension], len(points) + len(boundary))
    if len(moving) == 0 or count < 2:
        return points
    index = np.empty((0, 0), dtype=np.int64)
    for step in range(repulsion.steps):
        everything = np.concatenate([points, boundary])
        here = points[moving]
        if step % SAME_NEIGHBOURS == 0:
            tree, wrap = periodic_tree(everything, lower, periods)
            index = tree.query(wrap(here.copy()), k=count, workers=-1)[1]
            # A node is its own nearest neighbour, unless another lies on the same spot.
            is_self = index == moving[:, None]
            is_self[~is_self.any(axis=1), -1] = True
            index = index[~is_self].reshape(len(moving), count - 1)
        h = evaluate_spacing(spacing, here)
        away = _shortest(here[:, None] - everything[index], periods)
        distance = np.sqrt(np.einsum("nkd,nkd->nk", away, away))
        push = repulsion.gain * np.maximum(repulsion.reach - distance / h[:, None], 0.0) ** 2
        push = np.divide(push, distance, out=np.zeros_like(push), where=distance > 0.0)
        move = np.einsum("nk,nkd->nd", push, away)
        length = np.linalg.norm(move, axis=1)
        move *= (h * np.minimum(1.0, 0.25 / np.maximum(length, 1e-300)))[:, None]
        moved = here + move
        to_boundary = np.where(index >= len(points), distance, np.inf)
        close = np.nonzero(to_boundary.min(axis=1) < 2.0 * h)[0]
        node = index[close, np.argmin(to_boundary[close], axis=1)] - len(points)
        gap = _shortest(moved[close] - boundary[node], periods)
        excess = np.maximum(np.sum(gap * normals[node], axis=1) + WALL * h[close], 0.0)
        excess[np.linalg.norm(gap, axis=1) > 1.5 * h[close]] = 0.0
        moved[close] -= excess[:, None] * normals[node]
        points[moving] = moved
    depth = clearance(region, boundary, spacing, points[moving])[0]
    outside = moving[(depth < 0.25) | ~region.contains(points[moving])]
    points[outside] = start[outside]
    return points
