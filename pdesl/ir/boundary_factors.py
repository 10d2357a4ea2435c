"""Smooth functions that vanish on one part of a boundary: distances up to a positive factor.

For every part of a region's boundary a formula in the coordinates that is zero on the part,
positive inside, at most about one, and differentiable as often as one likes. Products of them
vanish on several parts and nowhere inside (V. L. Rvachev and T. I. Sheiko, "R-functions in
boundary value problems in mechanics", Appl. Mech. Rev. 48, 1995, in their analytic form).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
import sympy

from pdesl.symbolic.geometry import (
    Annulus,
    Ball,
    Box,
    Difference,
    Disk,
    Ellipse,
    Intersection,
    Interval,
    Polygon,
    Product,
    Region,
)

__all__ = ["Face", "box_faces", "part_factors"]

#: One side of a box: the number of its coordinate, whether it is the upper side, and its place.
Face = tuple[int, bool, float]


def box_faces(region: Region) -> dict[int, Face]:
    """The faces of an interval or box by part; empty for any other region."""
    if isinstance(region, Interval):
        return {} if region.periodic else {0: (0, False, region.lower), 1: (0, True, region.upper)}
    if not isinstance(region, Box):
        return {}
    found: dict[int, Face] = {}
    for axis, wraps in enumerate(region.periodic):
        if not wraps:
            found[len(found)] = (axis, False, region.lower[axis])
            found[len(found)] = (axis, True, region.upper[axis])
    return found


def part_factors(region: Region, symbols: Sequence[sympy.Symbol]) -> dict[int, sympy.Expr]:
    """Formulas of the parts that have one, by part; parts without a smooth one are left out.

    Args:
        region: intervals, boxes, disks, balls, ellipses, annuli and shells, convex polygons, and
            products, intersections and differences of these have formulas.
        symbols: the spatial coordinates.
    """
    lower, upper = region.bounding_box()
    if isinstance(region, Interval | Box):
        return {
            part: (_number(place) - symbols[axis] if is_upper else symbols[axis] - _number(place))
            / _number(upper[axis] - lower[axis])
            for part, (axis, is_upper, place) in box_faces(region).items()
        }
    if isinstance(region, Disk | Ball):
        return {0: 1 - _square(region.center, symbols) / _number(region.radius**2)}
    if isinstance(region, Annulus):
        square = _square(region.center, symbols)
        return {
            0: (square - _number(region.inner**2)) / _number(region.outer**2 - region.inner**2),
            1: (_number(region.outer**2) - square) / _number(region.outer**2 - region.inner**2),
        }
    if isinstance(region, Ellipse):
        local = [s - _number(c) for s, c in zip(symbols, region.center, strict=True)]
        cosine, sine = (_number(f(region.angle)) for f in (np.cos, np.sin))
        axes = [_number(a) for a in region.semi_axes]
        first = (cosine * local[0] + sine * local[1]) / axes[0]
        second = (cosine * local[1] - sine * local[0]) / axes[1]
        return {0: 1 - first**2 - second**2}
    if isinstance(region, Polygon):
        return _edges(region, symbols)
    if isinstance(region, Product):
        found, offset, start = {}, 0, 0
        for member in region.regions:
            own = part_factors(member, symbols[start : start + member.dimension])
            found |= {offset + part: factor for part, factor in own.items()}
            offset, start = offset + len(member.part_names), start + member.dimension
        return found
    if isinstance(region, Intersection | Difference):
        found, offset = {}, 0
        for number, member in enumerate(region.regions):
            own = part_factors(member, symbols)
            hollow = isinstance(region, Difference) and number > 0
            # A hole has one sign outside only where its formula has one part.
            if not hollow or (len(own) == 1 and len(member.part_names) == 1):
                scale = _number(-1.0 / _outside(own[0], symbols, region)) if hollow else 1
                found |= {offset + part: scale * factor for part, factor in own.items()}
            offset += len(member.part_names)
        return found
    return {}


def _outside(factor: sympy.Expr, symbols: Sequence[sympy.Symbol], region: Region) -> float:
    """The size of a concave factor outside of its region, at the corners of another one's box."""
    lower, upper = region.bounding_box()
    corners = product(*zip(lower.tolist(), upper.tolist(), strict=True))
    values = (factor.subs(dict(zip(symbols, c, strict=True))) for c in corners)
    return max(abs(float(v)) for v in values)


def _number(value: float) -> sympy.Expr:
    """Whole numbers stay exact, which keeps formulas short."""
    return sympy.Integer(int(value)) if float(value).is_integer() else sympy.Float(value, 17)


def _square(center: Sequence[float], symbols: Sequence[sympy.Symbol]) -> sympy.Expr:
    return sympy.Add(*((s - _number(c)) ** 2 for s, c in zip(symbols, center, strict=True)))


def _edges(region: Polygon, symbols: Sequence[sympy.Symbol]) -> dict[int, sympy.Expr]:
    """The distances from the lines through the edges; only of a convex polygon are all positive."""
    vertices = np.asarray(region.vertices, dtype=float)
    along = np.roll(vertices, -1, axis=0) - vertices
    turns = along[:, 0] * np.roll(along, -1, axis=0)[:, 1]
    turns -= along[:, 1] * np.roll(along, -1, axis=0)[:, 0]
    if turns.min() < 0.0 < turns.max():
        return {}
    side = 1.0 if turns.max() > 0.0 else -1.0
    size = float(np.ptp(vertices, axis=0).max())
    found: dict[int, sympy.Expr] = {}
    for part, (start, edge) in enumerate(zip(vertices, along, strict=True)):
        a, b = (_number(v) for v in side * edge / (np.linalg.norm(edge) * size))
        x, y = (s - _number(c) for s, c in zip(symbols, start, strict=True))
        found[part] = a * y - b * x
    return found
