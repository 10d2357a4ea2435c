"""Points that a method draws anew at every step: inside a region and on its boundary.

A draw is a function of the seed, the purpose and the number of the step alone, so that a run that
goes on from a checkpoint draws what an uninterrupted one would have drawn.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from pdesl.diagnostics import SolverError
from pdesl.symbolic.geometry import Region
from pdesl.symbolic.geometry.pieces import Arc, EndPoint, low_discrepancy

__all__ = ["BoundaryDraw", "Purpose", "draw_boundary", "draw_inside"]

# Beyond so many uniform numbers a point, additive recurrences are no better than independent ones.
MOST_EVEN = 6
# Of so many points tried one at least lies inside.
MOST_TRIED = 1 << 24


class Purpose(IntEnum):
    """What points are drawn for; each has random numbers of its own."""

    STEP = 1
    RESIDUAL = 2
    FIT = 3
    CHECK = 4
    BOUNDARY = 5


def _generator(seed: int, purpose: Purpose, number: int) -> np.random.Generator:
    return np.random.default_rng([seed, int(purpose), number])


def draw_inside(
    region: Region, count: int, *, seed: int, purpose: Purpose, number: int, even: bool = True
) -> np.ndarray:
    """Points (count, d) uniform in volume; evenly spread with a random shift where `even`.

    Raises:
        SolverError: E702, hardly any point of the region's chart lies inside.
    """
    generator = _generator(seed, purpose, number)
    parameters = region.interior_parameters
    shift = generator.random(parameters)
    found = np.zeros((0, region.dimension))
    tried = count
    while tried <= MOST_TRIED:
        if even and parameters <= MOST_EVEN:
            uniform = low_discrepancy(tried, parameters, shift)
        else:
            own = _generator(seed, purpose, number)
            uniform = own.random((tried, parameters))
        points, inside = region.interior_chart(uniform)
        found = points[inside]
        if len(found) >= count:
            return found[:count]
        share = max(len(found) / tried, 1e-3)
        tried = int(count / share * 1.1) + 16 if tried < count / share else 2 * tried
    raise SolverError(
        f"only {len(found):,} of {tried:,} points tried lie inside the domain",
        code="E702",
        advice="check the region, or give it a tighter bounding box",
    )


@dataclass(frozen=True, slots=True, eq=False)
class BoundaryDraw:
    """Points (m, d) on the boundary, outward normals (m, d), the number of their part (m,)."""

    points: np.ndarray
    normals: np.ndarray
    part: np.ndarray


def draw_boundary(
    region: Region, count: int, *, seed: int, number: int, parts: frozenset[int] | None = None
) -> BoundaryDraw:
    """About `count` points on the boundary, shared among its pieces by their size.

    Args:
        region: arcs are run through by their parameter, patches uniformly in area.
        count: at least one point falls on every piece.
        seed, number: what the draw depends on.
        parts: the parts that are wanted; None for all.
    """
    generator = _generator(seed, Purpose.BOUNDARY, number)
    pieces = [p for p in region.pieces() if parts is None or p.part in parts]
    sizes = np.array([_size(piece) for piece in pieces])
    shares = sizes / sizes.sum() if len(sizes) else sizes
    points, normals, part = [], [], []
    for piece, share in zip(pieces, shares, strict=True):
        wanted = max(round(float(share) * count), 1)
        if isinstance(piece, EndPoint):
            own, outward = np.array([[piece.position]]), np.array([[piece.normal]])
        elif isinstance(piece, Arc):
            along = np.mod((np.arange(wanted) + generator.random()) / wanted, 1.0)
            own, outward = piece.position(along), piece.normal(along)
        else:
            shift = generator.random(piece.parameters)
            tried = wanted
            while True:
                uniform = low_discrepancy(tried, piece.parameters, shift)
                own, outward, keep = piece.chart(uniform)
                own, outward = own[keep][:wanted], outward[keep][:wanted]
                if len(own) >= wanted or tried > 64 * wanted + 4096:
                    break
                tried *= 2
        points.append(own)
        normals.append(outward)
        part.append(np.full(len(own), piece.part))
    none = np.zeros((0, region.dimension))
    return BoundaryDraw(
        np.concatenate([none, *points]),
        np.concatenate([none, *normals]),
        np.concatenate([np.zeros(0, dtype=int), *part]),
    )


def _size(piece: object) -> float:
    """Length of an arc, area of a patch, one for an end point."""
    if isinstance(piece, EndPoint):
        return 1.0
    if isinstance(piece, Arc):
        places = piece.position(np.linspace(0.0, 1.0, 129))
        return float(np.linalg.norm(np.diff(places, axis=0), axis=1).sum())
    return float(getattr(piece, "area", 1.0))
