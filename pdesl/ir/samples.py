"""Points at which a system is tried before anything is solved, and expressions evaluated there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import sympy

from pdesl.ir.system import System
from pdesl.symbolic.domain import make_region
from pdesl.symbolic.functions import make_function, numpy_namespace
from pdesl.symbolic.operators import NORMAL
from pdesl.symbolic.problem import RegionSpec

if TYPE_CHECKING:
    from pdesl.symbolic.geometry import Region

__all__ = ["Sample", "boundary_sample", "condition_mask", "evaluate", "interior_sample"]

# Points on the boundary of the plane, and of space; fewer on each piece above that.
BOUNDARY_POINTS = {1: 2, 2: 480, 3: 600}
INTERIOR_POINTS = 200


@dataclass(frozen=True, slots=True)
class Sample:
    """Points (m, d) with normals (m, d) and, on the boundary, the number of their part (m,)."""

    points: np.ndarray
    normals: np.ndarray
    part: np.ndarray

    def __len__(self) -> int:
        return len(self.points)

    def where(self, mask: np.ndarray) -> Sample:
        return Sample(self.points[mask], self.normals[mask], self.part[mask])


def boundary_sample(region: Region) -> Sample:
    """Points on every piece of the boundary, none on a corner or an edge.

    Every piece gets some, however small it is: conditions may differ from piece to piece.
    """
    from pdesl.symbolic.geometry.pieces import Arc, EndPoint, low_discrepancy

    dimension = region.dimension
    pieces = region.pieces()
    each = max(BOUNDARY_POINTS.get(dimension, 0) // max(len(pieces), 1), 16)
    points, normals, part = [], [], []
    for piece in pieces:
        if isinstance(piece, EndPoint):
            own, outward = np.array([[piece.position]]), np.array([[piece.normal]])
        elif isinstance(piece, Arc):
            along = (np.arange(each) + 0.5) / each
            own, outward = piece.position(along), piece.normal(along)
        else:
            shift = np.full(piece.parameters, 0.5)
            for count in (4 * each, 1 << 14):
                own, outward, keep = piece.chart(low_discrepancy(count, piece.parameters, shift))
                if keep.sum() >= each:
                    break
            own, outward = own[keep][:each], outward[keep][:each]
        points.append(own)
        normals.append(outward)
        part.append(np.full(len(own), piece.part))
    empty = np.zeros((0, dimension))
    return Sample(
        np.concatenate([empty, *points]),
        np.concatenate([empty, *normals]),
        np.concatenate([np.zeros(0, dtype=int), *part]),
    )


def interior_sample(region: Region) -> Sample:
    """Random points inside, with normals in a random direction; none where none are found."""
    generator = np.random.default_rng(0)
    points = np.zeros((0, region.dimension))
    for count in (4 * INTERIOR_POINTS, 1 << 14):
        drawn, inside = region.interior_chart(generator.random((count, region.interior_parameters)))
        points = drawn[inside][:INTERIOR_POINTS]
        if len(points) == INTERIOR_POINTS:
            break
    normals = generator.normal(size=points.shape)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    return Sample(points, normals, np.full(len(points), -1))


def condition_mask(
    spec: RegionSpec, region: Region, system: System, points: np.ndarray, part: np.ndarray,
    values: Mapping[sympy.Symbol, float],
) -> np.ndarray:  # fmt: skip
    """Which boundary points a region of a condition holds, as flags."""
    if spec.kind == "all":
        return np.ones(len(points), dtype=bool)
    if spec.kind == "part":
        names = list(region.part_names)
        return part == names.index(spec.name) if spec.name in names else np.zeros(len(points), bool)
    extent = region.size
    if spec.kind == "shape":
        assert spec.shape is not None
        own = make_region(spec.shape, system.space_symbols, values)
        return np.abs(own.level(points)) <= 1e-6 * extent
    symbols = [*system.space_symbols, *values]
    with np.errstate(all="ignore"):
        (level,) = make_function([spec.expression], symbols, numpy_namespace())(
            *points.T, *values.values()
        )
    level = np.broadcast_to(level, (len(points),))
    if spec.operator == "=":
        return np.abs(level) <= 1e-9 * extent
    return level < 0 if spec.operator == "<" else level > 0


def evaluate(
    expressions: Sequence[sympy.Expr],
    system: System,
    places: Sample,
    values: Mapping[sympy.Symbol, float],
    moments: np.ndarray | float = 0.0,
) -> np.ndarray:
    """Expressions in coordinates, normals and parameters at places, (expressions, m).

    Raises:
        UnsupportedExpression: another symbol, or a function without numerical form.
    """
    normals = [sympy.Symbol(f"{NORMAL}[{s.name}]", real=True) for s in system.space_symbols]
    symbols: list[sympy.Symbol] = [*system.space_symbols, *normals, *values]
    arrays: list = [*places.points.T, *places.normals.T, *values.values()]
    if system.time_symbol is not None:
        symbols.append(system.time_symbol)
        arrays.append(moments)
    function = make_function(expressions, symbols, numpy_namespace())
    shape = (len(places),)
    with np.errstate(all="ignore"):
        results = function(*arrays)
    return np.array([np.broadcast_to(np.asarray(v, dtype=float), shape) for v in results]).reshape(
        len(expressions), *shape
    )
