"""Integration over a region: points with weights, in two finenesses that judge each other.

Boxes (periodic ones too) take products of Gauss-Legendre rules on panels, regions of the line such
rules on their stretches. In the plane every horizontal line is cut where the level function changes
its sign, and Gauss-Legendre points lie on its pieces; the lines crowd towards the heights where the
number of pieces changes, since the length of a piece has the slope of a square root there. Space is
cut into such planes. In more dimensions, and in periodic ones that are no box, points of low
discrepancy fill the region. A graph is summed over.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pdesl.symbolic.geometry import Box, Graph, Interval, Region
from pdesl.symbolic.geometry.pieces import low_discrepancy
from pdesl.symbolic.geometry.region import line_stretches

__all__ = ["Quadrature", "make_quadrature"]

PANELS = {1: (24, 36), 2: (8, 12), 3: (3, 5)}  # of a box, coarse and fine, in each direction
PANEL_POINTS = {1: 8, 2: 6, 3: 5}
LINES = (24, 40)  # between two heights where lines through a region change
SLICES, LINES_OF_SLICES = (16, 24), (10, 16)  # the same in space
SCAN = 200  # heights at which such changes are looked for
LINE_CELLS = 192  # in which a line is searched for the boundary
LINE_POINTS = 20
SCATTERED = (1 << 13, 1 << 15)
BISECTIONS = 50


@dataclass(frozen=True, slots=True, eq=False)
class Quadrature:
    """∫ f dV ≈ Σ weights · f(points), points (n, d), and the same coarser."""

    points: NDArray
    weights: NDArray
    coarse_points: NDArray
    coarse_weights: NDArray


def make_quadrature(region: Region) -> Quadrature:
    """Points and weights for a region, of which a coarser set tells the error."""
    coarse, fine = (_rule(region, fineness) for fineness in (0, 1))
    return Quadrature(*fine, *coarse)


def _rule(region: Region, fineness: int) -> tuple[NDArray, NDArray]:
    dimension = region.dimension
    if not dimension:
        return np.zeros((1, 0)), np.ones(1)
    if isinstance(region, Graph):
        return np.arange(float(region.nodes))[:, None], np.ones(region.nodes)
    if isinstance(region, Box | Interval) and dimension in PANELS:
        lower, upper = region.bounding_box()
        return _product(
            [
                _panels([(float(a), float(b))], PANELS[dimension][fineness], dimension)
                for a, b in zip(lower, upper, strict=True)
            ]
        )
    if dimension == 1:
        return _product([_panels(line_stretches(region), PANELS[1][fineness], 1)])
    if dimension == 2 and not any(region.periods):
        lower, upper = (np.asarray(b, float) for b in region.bounding_box())
        return _lines(lambda p: np.asarray(region.level(p), float), lower, upper, LINES[fineness])
    if dimension == 3 and not any(region.periods):
        return _slices(region, fineness)
    count = SCATTERED[fineness]
    uniform = low_discrepancy(
        count, region.interior_parameters, np.zeros(region.interior_parameters)
    )
    points, inside = region.interior_chart(uniform)
    weight = region.interior_chart_measure / count
    return points[inside], np.full(int(inside.sum()), weight)


def _panels(
    stretches: list[tuple[float, float]], panels: int, dimension: int
) -> tuple[NDArray, NDArray]:
    nodes, weights = np.polynomial.legendre.leggauss(PANEL_POINTS[dimension])
    places, sizes = [], []
    for first, last in stretches:
        edges = np.linspace(first, last, panels + 1)
        half = np.diff(edges)[:, None] / 2
        places.append((edges[:-1, None] + half * (1 + nodes)).ravel())
        sizes.append((half * weights).ravel())
    return np.concatenate(places), np.concatenate(sizes)


def _product(rules: list[tuple[NDArray, NDArray]]) -> tuple[NDArray, NDArray]:
    grid = np.meshgrid(*(places for places, _ in rules), indexing="ij")
    sizes = np.meshgrid(*(weights for _, weights in rules), indexing="ij")
    points = np.stack([axis.ravel() for axis in grid], axis=1)
    return points, np.prod([axis.ravel() for axis in sizes], axis=0)


def _slices(region: Region, fineness: int) -> tuple[NDArray, NDArray]:
    """Planes of constant height through a region of space, each with its lines."""
    lower, upper = (np.asarray(b, float) for b in region.bounding_box())
    angles, steps = np.polynomial.legendre.leggauss(SLICES[fineness])
    half = (upper[2] - lower[2]) / 2
    heights = lower[2] + half + half * np.sin(angles * np.pi / 2)
    sizes = half * np.cos(angles * np.pi / 2) * steps * np.pi / 2
    points, weights = [np.empty((0, 3))], [np.empty(0)]
    for height, size in zip(heights, sizes, strict=True):

        def level(flat: NDArray, z: float = height) -> NDArray:
            return np.asarray(region.level(np.insert(flat, 2, z, axis=1)), float)

        own, found = _lines(level, lower[:2], upper[:2], LINES_OF_SLICES[fineness])
        points.append(np.insert(own, 2, height, axis=1))
        weights.append(size * found)
    return np.concatenate(points), np.concatenate(weights)


def _lines(
    flat_level: Callable[[NDArray], NDArray], lower: NDArray, upper: NDArray, count: int
) -> tuple[NDArray, NDArray]:
    margin = 1e-9 * (upper[0] - lower[0])
    edges = np.linspace(lower[0] - margin, upper[0] + margin, LINE_CELLS + 1)

    def level(x: NDArray, y: NDArray) -> NDArray:
        return flat_level(np.stack([x.ravel(), y.ravel()], axis=1)).reshape(x.shape)

    def inside(heights: NDArray) -> NDArray:
        return level(*np.broadcast_arrays(edges[None, :], heights[:, None])) < 0

    def pieces(heights: NDArray) -> NDArray:
        return np.sum(np.diff(inside(heights).astype(int), axis=1) > 0, axis=1)

    # Between two heights where the number of pieces changes all lines are alike.
    scan = np.linspace(lower[1], upper[1], SCAN + 1)
    numbers = pieces(scan)
    below, above = scan[:-1][numbers[1:] != numbers[:-1]], scan[1:][numbers[1:] != numbers[:-1]]
    before = numbers[:-1][numbers[1:] != numbers[:-1]]
    for _ in range(BISECTIONS):
        centre = (below + above) / 2
        same = pieces(centre) == before
        below, above = np.where(same, centre, below), np.where(same, above, centre)
    changes = np.unique(np.concatenate([[lower[1], upper[1]], (below + above) / 2]))
    angles, steps = np.polynomial.legendre.leggauss(count)
    nodes, weights = np.polynomial.legendre.leggauss(LINE_POINTS)
    points, found = [np.empty((0, 2))], [np.empty(0)]
    for bottom, top in pairwise(changes):
        heights = (bottom + top) / 2 + (top - bottom) / 2 * np.sin(angles * np.pi / 2)
        sizes = (top - bottom) / 2 * np.cos(angles * np.pi / 2) * steps * np.pi / 2
        table = inside(heights)
        rows, cells = np.nonzero(table[:, 1:] != table[:, :-1])
        low, high = edges[cells].copy(), edges[cells + 1].copy()
        falling = table[rows, cells]  # inside at the left end of the cell
        for _ in range(BISECTIONS):
            centre = (low + high) / 2
            left = (level(centre, heights[rows]) < 0) == falling
            low, high = np.where(left, centre, low), np.where(left, high, centre)
        crossings = (low + high) / 2
        for row, (height, size) in enumerate(zip(heights, sizes, strict=True)):
            own = np.sort(crossings[rows == row])
            for first, last in zip(own[0::2], own[1::2], strict=False):
                x = (first + last) / 2 + (last - first) / 2 * nodes
                points.append(np.stack([x, np.full_like(x, height)], axis=1))
                found.append(weights * (last - first) / 2 * size)
    return np.concatenate(points), np.concatenate(found)
