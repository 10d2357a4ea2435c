"""Regions made of regions: union, intersection, difference, and product.

The boundary of a combination is found by one rule for all three set operations: a boundary
point of a member is one of the combination exactly if one of the two places a little way along
its normal belongs to the combination and the other does not; the normal points to the latter.
So shared sides of members that touch vanish, and holes get their normals turned.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TypeAlias, final

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
    distinct_names,
    patch_share,
)
from pdesl.symbolic.geometry.region import Region, line_stretches

__all__ = ["Difference", "Intersection", "Product", "Union"]

Chart: TypeAlias = Callable[[Array], tuple[Array, Array, Array]]
Projection: TypeAlias = Callable[[Array], tuple[Array, Array]]

PROBE = 1e-6  # how far along the normal a combination is probed, in sizes of the region


def _check_members(regions: Sequence[Region], what: str) -> tuple[Region, ...]:
    members = tuple(regions)
    if len(members) == 0:
        raise GeometryError(f"the {what} needs one region at least", "E441")
    if len({member.dimension for member in members}) > 1:
        dimensions = ", ".join(str(member.dimension) for member in members)
        raise GeometryError(
            f"the regions of the {what} have different dimensions: {dimensions}", "E441"
        )
    return members


def _refuse_periodic(members: Sequence[Region], what: str) -> None:
    if any(any(member.periods) for member in members):
        raise GeometryError(
            f"the {what} of a region with a periodic direction is not defined",
            code="E446",
            help="cut holes out of a periodic box with the difference",
        )


def _combined_pieces(region: Region, members: Sequence[Region], what: str) -> tuple[Piece, ...]:
    """The boundary of a combination of regions; part indices count through the members."""
    step = PROBE * region.size
    pieces: list[Piece] = []
    offset = 0
    for k, member in enumerate(members):

        def sign(points: Array, normals: Array, earlier: Sequence[Region] = members[:k]) -> Array:
            behind = region.contains(points - step * normals)
            ahead = region.contains(points + step * normals)
            value = behind.astype(float) - ahead.astype(float)
            for other in earlier:
                # Where two boundaries coincide, the earlier member's points stand for both.
                value[np.abs(other.level(points)) <= 0.1 * step] = 0.0
            return value

        for piece in member.pieces():
            for kept in clip_piece(piece, sign):
                if isinstance(kept, Patch) and patch_share(kept) == 0.0:
                    continue
                pieces.append(replace(kept, part=kept.part + offset))
        offset += len(member.part_names)
    if not pieces and not any(region.periods):
        raise GeometryError(
            f"the {what} is empty", code="E443", help="check that the regions overlap as meant"
        )
    return tuple(pieces)


@dataclass(frozen=True, slots=True)
class _Combination(Region):
    """What the set operations have in common: members, names and pieces."""

    regions: Sequence[Region]
    _pieces: tuple[Piece, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        what = type(self).__name__.lower()
        members = _check_members(self.regions, what)
        _refuse_periodic(members[1:] if isinstance(self, Difference) else members, what)
        object.__setattr__(self, "regions", members)
        lower, upper = self.bounding_box()
        if not (lower < upper).all():
            raise GeometryError(
                f"the {what} is empty: the regions do not overlap",
                code="E443",
                help="check the positions and sizes of the regions",
            )
        object.__setattr__(self, "_pieces", _combined_pieces(self, members, what))

    @property
    def dimension(self) -> int:
        return self.regions[0].dimension

    @property
    def part_names(self) -> tuple[str, ...]:
        groups = distinct_names([member.part_names for member in self.regions])
        return tuple(name for names in groups for name in names)

    def pieces(self) -> tuple[Piece, ...]:
        return self._pieces


@final
@dataclass(frozen=True, slots=True)
class Union(_Combination):
    """The points of any of the regions, and of the walls between regions that touch.

    Parts keep the names that they have in the members; a name that occurs in two of them gets
    the prefix region1_, region2_, ... The regions may be apart from one another.
    """

    def level(self, points: ArrayLike) -> Array:
        return np.min([member.level(points) for member in self.regions], axis=0)

    def contains(self, points: ArrayLike) -> Array:
        return np.any([member.contains(points) for member in self.regions], axis=0)

    def bounding_box(self) -> tuple[Array, Array]:
        boxes = [member.bounding_box() for member in self.regions]
        return np.min([b[0] for b in boxes], axis=0), np.max([b[1] for b in boxes], axis=0)


@final
@dataclass(frozen=True, slots=True)
class Intersection(_Combination):
    """The points that all of the regions have in common. Part names as in a union."""

    def level(self, points: ArrayLike) -> Array:
        return np.max([member.level(points) for member in self.regions], axis=0)

    def contains(self, points: ArrayLike) -> Array:
        return np.all([member.contains(points) for member in self.regions], axis=0)

    def bounding_box(self) -> tuple[Array, Array]:
        boxes = [member.bounding_box() for member in self.regions]
        return np.max([b[0] for b in boxes], axis=0), np.min([b[1] for b in boxes], axis=0)


@final
@dataclass(frozen=True, slots=True)
class Difference(_Combination):
    """The points of the first region that lie in none of the others. Part names as in a union.

    The first region may have periodic directions; the others must then lie within one period.
    """

    def __post_init__(self) -> None:
        # The decorator rebuilds the class for its slots, which super() without arguments misses.
        _Combination.__post_init__(self)
        lower, upper = self.bounding_box()
        for member in self.regions[1:]:
            low, high = member.bounding_box()
            wraps = np.array(self.periods) > 0.0
            if np.any(wraps & ((low < lower) | (high > upper))):
                raise GeometryError(
                    "a region that is cut out crosses the end of a period",
                    code="E446",
                    help="shift the periodic box so that its ends pass between the holes",
                )

    @property
    def periods(self) -> tuple[float, ...]:
        return self.regions[0].periods

    def level(self, points: ArrayLike) -> Array:
        first, *others = self.regions
        return np.max([first.level(points), *(-other.level(points) for other in others)], axis=0)

    def contains(self, points: ArrayLike) -> Array:
        # The closure of a hole is cut out, so that its boundary does not count as inside.
        inside = self.regions[0].contains(points)
        for other in self.regions[1:]:
            inside &= ~other.contains(points)
        return inside

    def bounding_box(self) -> tuple[Array, Array]:
        return self.regions[0].bounding_box()


@final
@dataclass(frozen=True, slots=True)
class Product(Region):
    """All points (p, q, ...) with p in the first region, q in the second, ...: cylinders, tubes.

    Coordinates follow one another in the order of the regions. Part names as in a union.
    """

    regions: Sequence[Region]
    _pieces: tuple[Piece, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        members = tuple(self.regions)
        if len(members) == 0:
            raise GeometryError("a product needs one region at least", "E441")
        object.__setattr__(self, "regions", members)
        pieces: list[Piece] = []
        offset = 0
        for k, member in enumerate(members):
            for piece in member.pieces():
                pieces += self._extruded(k, replace(piece, part=piece.part + offset))
            offset += len(member.part_names)
        object.__setattr__(self, "_pieces", tuple(pieces))

    @property
    def dimension(self) -> int:
        return sum(member.dimension for member in self.regions)

    @property
    def part_names(self) -> tuple[str, ...]:
        groups = distinct_names([member.part_names for member in self.regions])
        return tuple(name for names in groups for name in names)

    @property
    def periods(self) -> tuple[float, ...]:
        return tuple(period for member in self.regions for period in member.periods)

    def _columns(self) -> list[slice]:
        ends = np.cumsum([0] + [member.dimension for member in self.regions])
        return [slice(int(a), int(b)) for a, b in pairwise(ends)]

    def level(self, points: ArrayLike) -> Array:
        x = np.asarray(points, dtype=float)
        pairs = zip(self.regions, self._columns(), strict=True)
        return np.max([member.level(x[:, columns]) for member, columns in pairs], axis=0)

    def contains(self, points: ArrayLike) -> Array:
        x = np.asarray(points, dtype=float)
        pairs = zip(self.regions, self._columns(), strict=True)
        return np.all([member.contains(x[:, columns]) for member, columns in pairs], axis=0)

    def bounding_box(self) -> tuple[Array, Array]:
        boxes = [member.bounding_box() for member in self.regions]
        return np.concatenate([b[0] for b in boxes]), np.concatenate([b[1] for b in boxes])

    def pieces(self) -> tuple[Piece, ...]:
        return self._pieces

    @property
    def interior_parameters(self) -> int:
        return sum(member.interior_parameters for member in self.regions)

    @property
    def interior_chart_measure(self) -> float:
        return float(np.prod([member.interior_chart_measure for member in self.regions]))

    def interior_chart(self, uniform: Array) -> tuple[Array, Array]:
        return self._charts(uniform, skipped=-1)

    def _charts(self, uniform: Array, skipped: int) -> tuple[Array, Array]:
        """Interior points of all members but one, whose coordinates stay 0."""
        points = np.zeros((len(uniform), self.dimension))
        keep = np.ones(len(uniform), dtype=bool)
        used = 0
        for k, (member, columns) in enumerate(zip(self.regions, self._columns(), strict=True)):
            if k != skipped:
                stop = used + member.interior_parameters
                points[:, columns], inside = member.interior_chart(uniform[:, used:stop])
                keep &= inside
                used = stop
        return points, keep

    def _extruded(self, k: int, piece: Piece) -> list[Piece]:
        """A boundary piece of member k times the inside of the others."""
        if self.dimension == 1:
            return [piece]
        columns = self._columns()[k]
        others = [member for j, member in enumerate(self.regions) if j != k]
        if len(others) == 0:
            return [piece]
        if self.dimension == 2 and isinstance(piece, EndPoint):
            return [
                _segment(piece, columns.start, low, high) for low, high in line_stretches(others[0])
            ]
        needs = sum(member.interior_parameters for member in others)
        measure = float(np.prod([member.interior_chart_measure for member in others]))
        own, chart, project, own_measure = _piece_chart(piece)

        def extruded(uniform: Array) -> tuple[Array, Array, Array]:
            points, inside = self._charts(uniform[:, own:], skipped=k)
            normals = np.zeros_like(points)
            points[:, columns], normals[:, columns], keep = chart(uniform[:, :own])
            return points, normals, keep & inside

        def onto(points: Array) -> tuple[Array, Array]:
            on_surface, normals = points.copy(), np.zeros_like(points)
            on_surface[:, columns], normals[:, columns] = project(points[:, columns])
            return on_surface, normals

        return [Patch(extruded, onto, piece.part, own + needs, own_measure * measure)]


def _segment(end: EndPoint, axis: int, low: float, high: float) -> Arc:
    """The segment on which one coordinate is an end point's and the other runs from low to high."""

    def position(s: Array) -> Array:
        points = np.empty((len(s), 2))
        points[:, axis] = end.position
        points[:, 1 - axis] = low + s * (high - low)
        return points

    def normal(s: Array) -> Array:
        normals = np.zeros((len(s), 2))
        normals[:, axis] = end.normal
        return normals

    return Arc(position, normal, end.part, straight=True)


def _piece_chart(piece: Piece) -> tuple[int, Chart, Projection, float]:
    """(parameters, chart, projection, measure) of any piece, as in a patch."""
    if isinstance(piece, Patch):
        return piece.parameters, piece.chart, piece.project, piece.area
    if isinstance(piece, EndPoint):

        def stand(points: Array) -> tuple[Array, Array]:
            ones = np.ones((len(points), 1))
            return piece.position * ones, piece.normal * ones

        return 0, lambda u: (*stand(u), np.ones(len(u), dtype=bool)), stand, 1.0
    s = np.linspace(0.0, 1.0, 2 if piece.straight else 4097)
    table = piece.position(s)
    length = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(table, axis=0), axis=1))])

    def along(uniform: Array) -> tuple[Array, Array, Array]:
        place = np.interp(uniform[:, 0] * length[-1], length, s)
        return piece.position(place), piece.normal(place), np.ones(len(place), dtype=bool)

    def foot(points: Array) -> tuple[Array, Array]:
        if piece.straight:
            along_it = table[-1] - table[0]
            place = np.clip((points - table[0]) @ along_it / (along_it @ along_it), 0.0, 1.0)
            return piece.position(place), piece.normal(place)
        from scipy.spatial import KDTree

        place = s[KDTree(table).query(points)[1]]
        for _ in range(3):
            # Gauss-Newton on the distance, with a tangent from two places close by.
            ahead, behind = np.minimum(place + 1e-5, 1.0), np.maximum(place - 1e-5, 0.0)
            tangent = (piece.position(ahead) - piece.position(behind)) / (ahead - behind)[:, None]
            gap = points - piece.position(place)
            move = np.sum(gap * tangent, axis=1) / np.sum(tangent**2, axis=1)
            place = np.clip(place + move, 0.0, 1.0)
        return piece.position(place), piece.normal(place)

    return 1, along, foot, float(length[-1])
