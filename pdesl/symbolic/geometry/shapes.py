"""The elementary regions: interval, box, disk, ball, ellipse, annulus and spherical shell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import ArrayLike

from pdesl.symbolic.geometry.pieces import (
    Arc,
    Array,
    EndPoint,
    GeometryError,
    Patch,
    Piece,
    as_points,
    direction_parameters,
    finite_vector,
    positive_number,
    unit_directions,
)
from pdesl.symbolic.geometry.region import Region

__all__ = ["Annulus", "Ball", "Box", "Disk", "Ellipse", "Interval"]

_SIDES = (("left", "right"), ("bottom", "top"), ("back", "front"))


def _ordered(lower: tuple[float, ...], upper: tuple[float, ...], what: str) -> None:
    for axis, (low, high) in enumerate(zip(lower, upper, strict=True), start=1):
        if not low < high:
            where = f" along coordinate {axis}" if len(lower) > 1 else ""
            raise GeometryError(
                f"the {what} is empty{where}: its lower bound {low:g} is not below {high:g}",
                code="E443",
                help="write the smaller bound first",
            )


@final
@dataclass(frozen=True, slots=True)
class Interval(Region):
    """lower < x < upper on the line; a periodic one has no boundary. Parts: left, right."""

    lower: float
    upper: float
    periodic: bool = False

    def __post_init__(self) -> None:
        (lower,) = finite_vector(self.lower, "the lower bound of an interval", 1)
        (upper,) = finite_vector(self.upper, "the upper bound of an interval", 1)
        _ordered((lower,), (upper,), "interval")
        object.__setattr__(self, "lower", lower)
        object.__setattr__(self, "upper", upper)

    @property
    def dimension(self) -> int:
        return 1

    @property
    def part_names(self) -> tuple[str, ...]:
        return () if self.periodic else ("left", "right")

    @property
    def periods(self) -> tuple[float, ...]:
        return (self.upper - self.lower if self.periodic else 0.0,)

    def level(self, points: ArrayLike) -> Array:
        x = as_points(points, 1)[:, 0]
        if self.periodic:
            return np.full(len(x), -(self.upper - self.lower) / 2.0)
        return np.maximum(self.lower - x, x - self.upper)

    def bounding_box(self) -> tuple[Array, Array]:
        return np.array([self.lower]), np.array([self.upper])

    def pieces(self) -> tuple[Piece, ...]:
        if self.periodic:
            return ()
        return (EndPoint(self.lower, -1.0, 0), EndPoint(self.upper, 1.0, 1))


@final
@dataclass(frozen=True, slots=True)
class Box(Region):
    """lower_i < x_i < upper_i in any number of dimensions.

    Parts: left, right (first coordinate), bottom, top (second), back, front (third) up to three
    dimensions, axis1_lower, axis1_upper, ... above; a periodic direction has no boundary.
    """

    lower: tuple[float, ...]
    upper: tuple[float, ...]
    periodic: tuple[bool, ...] = ()

    def __post_init__(self) -> None:
        lower = finite_vector(self.lower, "the lower corner of a box")
        upper = finite_vector(self.upper, "the upper corner of a box", len(lower))
        _ordered(lower, upper, "box")
        periodic = tuple(bool(p) for p in self.periodic) or (False,) * len(lower)
        if len(periodic) != len(lower):
            raise GeometryError(
                f"a box in {len(lower)} dimensions needs {len(lower)} periodicity flags, "
                f"not {len(periodic)}",
                code="E441",
            )
        object.__setattr__(self, "lower", lower)
        object.__setattr__(self, "upper", upper)
        object.__setattr__(self, "periodic", periodic)

    @property
    def dimension(self) -> int:
        return len(self.lower)

    def _faces(self) -> list[tuple[int, bool, str]]:
        """(axis, whether it is the upper one, name) of every face."""
        small = self.dimension <= 3
        return [
            (axis, upper, _SIDES[axis][upper] if small else f"axis{axis + 1}_{side}")
            for axis in range(self.dimension)
            if not self.periodic[axis]
            for upper, side in ((False, "lower"), (True, "upper"))
        ]

    @property
    def part_names(self) -> tuple[str, ...]:
        return tuple(name for _, _, name in self._faces())

    @property
    def periods(self) -> tuple[float, ...]:
        return tuple(
            high - low if wraps else 0.0
            for low, high, wraps in zip(self.lower, self.upper, self.periodic, strict=True)
        )

    def level(self, points: ArrayLike) -> Array:
        x = as_points(points, self.dimension)
        beyond = np.maximum(np.array(self.lower) - x, x - np.array(self.upper))
        beyond = beyond[:, ~np.array(self.periodic)]
        if beyond.shape[1] == 0:
            return np.full(len(x), -self.size / 2.0)
        outside = np.linalg.norm(np.maximum(beyond, 0.0), axis=1)
        return outside + np.minimum(beyond.max(axis=1), 0.0)

    def bounding_box(self) -> tuple[Array, Array]:
        return np.array(self.lower), np.array(self.upper)

    def pieces(self) -> tuple[Piece, ...]:
        return tuple(
            self._face(axis, upper, part) for part, (axis, upper, _) in enumerate(self._faces())
        )

    def _face(self, axis: int, is_upper: bool, part: int) -> Piece:
        lower, upper = self.bounding_box()
        value = upper[axis] if is_upper else lower[axis]
        outward = 1.0 if is_upper else -1.0
        if self.dimension == 1:
            return EndPoint(float(value), outward, part)
        others = [i for i in range(self.dimension) if i != axis]

        def position(uniform: Array) -> Array:
            points = np.empty((len(uniform), self.dimension))
            points[:, axis] = value
            points[:, others] = lower[others] + uniform * (upper - lower)[others]
            return points

        def normal(uniform: Array) -> Array:
            normals = np.zeros((len(uniform), self.dimension))
            normals[:, axis] = outward
            return normals

        if self.dimension == 2:
            # Counter-clockwise, so that neighbouring sides follow one another.
            backward = (axis == 0) != is_upper
            return Arc(
                lambda s: position((1.0 - s if backward else s)[:, None]),
                normal,
                part,
                straight=True,
            )

        def project(points: Array) -> tuple[Array, Array]:
            on_face = points.copy()
            on_face[:, axis] = value
            return on_face, normal(points)

        return Patch(
            lambda u: (position(u), normal(u), np.ones(len(u), dtype=bool)),
            project,
            part,
            self.dimension - 1,
            float(np.prod((upper - lower)[others])),
        )


def _sphere_area(radius: float, dimension: int) -> float:
    from math import gamma, pi

    return 2.0 * pi ** (dimension / 2.0) / gamma(dimension / 2.0) * radius ** (dimension - 1)


def _sphere(center: tuple[float, ...], radius: float, part: int, outward: float) -> Piece:
    """The circle or (hyper)sphere as a piece; `outward` is -1 for an inner boundary."""
    middle, dimension = np.array(center), len(center)

    def direction(s: Array) -> Array:
        return unit_directions(s[:, None], 2)

    if dimension == 2:
        return Arc(
            lambda s: middle + radius * direction(s),
            lambda s: outward * direction(s),
            part,
            closed=True,
        )

    def chart(uniform: Array) -> tuple[Array, Array, Array]:
        directions = unit_directions(uniform, dimension)
        inside = np.ones(len(uniform), dtype=bool)
        return middle + radius * directions, outward * directions, inside

    def project(points: Array) -> tuple[Array, Array]:
        arms = points - middle
        directions = arms / np.linalg.norm(arms, axis=1, keepdims=True)
        return middle + radius * directions, outward * directions

    area = _sphere_area(radius, dimension)
    return Patch(chart, project, part, direction_parameters(dimension), area)


def _shell_chart(
    uniform: Array, center: tuple[float, ...], inner: float, outer: float
) -> tuple[Array, Array]:
    """Points uniform in the volume between two radii."""
    dimension = len(center)
    low, high = (inner / outer) ** dimension, 1.0
    radius = outer * (low + uniform[:, 0] * (high - low)) ** (1.0 / dimension)
    points = np.array(center) + radius[:, None] * unit_directions(uniform[:, 1:], dimension)
    return points, np.ones(len(uniform), dtype=bool)


@final
@dataclass(frozen=True, slots=True)
class Ball(Region):
    """|x - center| < radius in two and more dimensions. Part: circle (d = 2) or sphere."""

    center: tuple[float, ...]
    radius: float

    def __post_init__(self) -> None:
        center = finite_vector(self.center, "the centre of a ball")
        if len(center) < 2:
            raise GeometryError(
                "a ball needs two or more dimensions", "E441", "on the line, use an interval"
            )
        object.__setattr__(self, "center", center)
        object.__setattr__(self, "radius", positive_number(self.radius, "the radius of a ball"))

    @property
    def dimension(self) -> int:
        return len(self.center)

    @property
    def part_names(self) -> tuple[str, ...]:
        return ("circle" if self.dimension == 2 else "sphere",)

    def level(self, points: ArrayLike) -> Array:
        x = as_points(points, self.dimension)
        return np.linalg.norm(x - np.array(self.center), axis=1) - self.radius

    def bounding_box(self) -> tuple[Array, Array]:
        center = np.array(self.center)
        return center - self.radius, center + self.radius

    def pieces(self) -> tuple[Piece, ...]:
        return (_sphere(self.center, self.radius, 0, 1.0),)

    @property
    def interior_parameters(self) -> int:
        return 1 + direction_parameters(self.dimension)

    def interior_chart(self, uniform: Array) -> tuple[Array, Array]:
        return _shell_chart(uniform, self.center, 0.0, self.radius)

    @property
    def interior_chart_measure(self) -> float:
        return _sphere_area(self.radius, self.dimension) * self.radius / self.dimension


@final
@dataclass(frozen=True, slots=True)
class Disk(Region):
    """|x - center| < radius in the plane. Part: circle."""

    center: tuple[float, ...]
    radius: float

    def __post_init__(self) -> None:
        center = finite_vector(self.center, "the centre of a disk", 2)
        object.__setattr__(self, "center", center)
        object.__setattr__(self, "radius", positive_number(self.radius, "the radius of a disk"))

    @property
    def dimension(self) -> int:
        return 2

    @property
    def part_names(self) -> tuple[str, ...]:
        return ("circle",)

    def level(self, points: ArrayLike) -> Array:
        return np.linalg.norm(as_points(points, 2) - np.array(self.center), axis=1) - self.radius

    def bounding_box(self) -> tuple[Array, Array]:
        center = np.array(self.center)
        return center - self.radius, center + self.radius

    def pieces(self) -> tuple[Piece, ...]:
        return (_sphere(self.center, self.radius, 0, 1.0),)


@final
@dataclass(frozen=True, slots=True)
class Annulus(Region):
    """inner < |x - center| < outer: a ring in the plane, a shell above. Parts: inner, outer."""

    center: tuple[float, ...]
    inner: float
    outer: float

    def __post_init__(self) -> None:
        center = finite_vector(self.center, "the centre of an annulus")
        if len(center) < 2:
            raise GeometryError("an annulus needs two or more dimensions", "E441")
        inner = positive_number(self.inner, "the inner radius of an annulus")
        outer = positive_number(self.outer, "the outer radius of an annulus")
        if not inner < outer:
            raise GeometryError(
                f"the annulus is empty: its inner radius {inner:g} is not below "
                f"its outer radius {outer:g}",
                code="E443",
                help="write the smaller radius first",
            )
        object.__setattr__(self, "center", center)
        object.__setattr__(self, "inner", inner)
        object.__setattr__(self, "outer", outer)

    @property
    def dimension(self) -> int:
        return len(self.center)

    @property
    def part_names(self) -> tuple[str, ...]:
        return ("inner", "outer")

    def level(self, points: ArrayLike) -> Array:
        radius = np.linalg.norm(as_points(points, self.dimension) - np.array(self.center), axis=1)
        return np.maximum(radius - self.outer, self.inner - radius)

    def bounding_box(self) -> tuple[Array, Array]:
        center = np.array(self.center)
        return center - self.outer, center + self.outer

    def pieces(self) -> tuple[Piece, ...]:
        return (
            _sphere(self.center, self.inner, 0, -1.0),
            _sphere(self.center, self.outer, 1, 1.0),
        )

    @property
    def interior_parameters(self) -> int:
        return 1 + direction_parameters(self.dimension)

    def interior_chart(self, uniform: Array) -> tuple[Array, Array]:
        return _shell_chart(uniform, self.center, self.inner, self.outer)

    @property
    def interior_chart_measure(self) -> float:
        outer, inner = (_sphere_area(r, self.dimension) * r for r in (self.outer, self.inner))
        return (outer - inner) / self.dimension


@final
@dataclass(frozen=True, slots=True)
class Ellipse(Region):
    """((p·a)/semi_axes_1)² + ((p·b)/semi_axes_2)² < 1 with p = x - center. Part: ellipse.

    `angle`, in radians, turns the first axis a counter-clockwise from the x axis.
    """

    center: tuple[float, ...]
    semi_axes: tuple[float, ...]
    angle: float = 0.0

    def __post_init__(self) -> None:
        center = finite_vector(self.center, "the centre of an ellipse", 2)
        axes = finite_vector(self.semi_axes, "the semi-axes of an ellipse", 2)
        for axis in axes:
            positive_number(axis, "a semi-axis of an ellipse")
        (angle,) = finite_vector(self.angle, "the angle of an ellipse", 1)
        object.__setattr__(self, "center", center)
        object.__setattr__(self, "semi_axes", axes)
        object.__setattr__(self, "angle", angle)

    @property
    def dimension(self) -> int:
        return 2

    @property
    def part_names(self) -> tuple[str, ...]:
        return ("ellipse",)

    def _rotation(self) -> Array:
        """Rows are the directions of the two axes."""
        cosine, sine = np.cos(self.angle), np.sin(self.angle)
        return np.array([[cosine, sine], [-sine, cosine]])

    def level(self, points: ArrayLike) -> Array:
        """The signed distance to first order: (k - 1) / |∇k| with k = |p / semi_axes|."""
        axes = np.array(self.semi_axes)
        local = (as_points(points, 2) - np.array(self.center)) @ self._rotation().T
        k = np.linalg.norm(local / axes, axis=1)
        slope = np.linalg.norm(local / axes**2, axis=1)
        # At the centre both vanish; their ratio lies between the axes' lengths.
        ratio = np.divide(k, slope, out=np.full(len(k), axes.min()), where=slope > 0.0)
        return ratio * (k - 1.0)

    def bounding_box(self) -> tuple[Array, Array]:
        reach = np.linalg.norm(np.array(self.semi_axes)[:, None] * self._rotation(), axis=0)
        return np.array(self.center) - reach, np.array(self.center) + reach

    def pieces(self) -> tuple[Piece, ...]:
        axes, rotation, center = np.array(self.semi_axes), self._rotation(), np.array(self.center)

        def position(s: Array) -> Array:
            return center + (unit_directions(s[:, None], 2) * axes) @ rotation

        def normal(s: Array) -> Array:
            local = unit_directions(s[:, None], 2) / axes
            return (local / np.linalg.norm(local, axis=1, keepdims=True)) @ rotation

        return (Arc(position, normal, 0, closed=True),)
