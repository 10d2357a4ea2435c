"""The abstract region: what every shape can answer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from pdesl.symbolic.geometry.pieces import (
    Array,
    BoundarySample,
    EndPoint,
    Piece,
    Spacing,
    low_discrepancy,
)
from pdesl.symbolic.geometry.sampling import quadrature, sample_pieces

__all__ = ["Region", "counted_measure", "divergence_measure", "line_stretches"]


@dataclass(frozen=True, slots=True)
class Region(ABC):
    """A bounded open set in d dimensions whose boundary is made of named, smooth parts."""

    @property
    @abstractmethod
    def dimension(self) -> int:
        """The number of coordinates, d."""

    @property
    @abstractmethod
    def part_names(self) -> tuple[str, ...]:
        """Names of the boundary parts, in the order of the indices in samples."""

    @abstractmethod
    def level(self, points: ArrayLike) -> Array:
        """Negative inside, zero on the boundary, positive outside; points (n, d) to (n,).

        The signed distance to the boundary, exactly or to first order near the boundary.
        """

    @abstractmethod
    def bounding_box(self) -> tuple[Array, Array]:
        """Smallest and largest coordinates, (d,) each."""

    @abstractmethod
    def pieces(self) -> tuple[Piece, ...]:
        """The boundary as end points (d = 1), arcs (d = 2) or patches (d >= 3)."""

    @property
    def periods(self) -> tuple[float, ...]:
        """The period of each coordinate, 0 where it is not periodic."""
        return (0.0,) * self.dimension

    @property
    def size(self) -> float:
        """The longest side of the bounding box."""
        lower, upper = self.bounding_box()
        return float(np.max(upper - lower))

    def contains(self, points: ArrayLike) -> Array:
        """Whether each of the points (n, d) lies inside (points on the boundary do not)."""
        return self.level(points) < 0.0

    @property
    def interior_parameters(self) -> int:
        """How many uniform numbers `interior_chart` takes for a point."""
        return self.dimension

    def interior_chart(self, uniform: Array) -> tuple[Array, Array]:
        """Points uniform in volume, and a mask of those that lie inside.

        Uniform numbers (m, interior_parameters) in [0, 1) become points (m, d). The default
        fills the bounding box.
        """
        lower, upper = self.bounding_box()
        points = lower + uniform * (upper - lower)
        return points, self.contains(points)

    @property
    def interior_chart_measure(self) -> float:
        """The measure of the whole image of `interior_chart`, points outside included."""
        lower, upper = self.bounding_box()
        return float(np.prod(upper - lower))

    def sample_boundary(self, spacing: Spacing, seed: int = 0) -> BoundarySample:
        """Quasi-uniform points on the boundary at a spacing, with normals and parts.

        Corners and edges keep half a spacing of distance. `spacing` is a number or maps
        points (n, d) to (n,). One point at least lies on every isolated piece. `seed` starts
        the arrangement on surfaces (d >= 3); curves need none.

        Raises `GeometryError` for a spacing that is not positive and finite.
        """
        return sample_pieces(self.pieces(), self.dimension, spacing, seed)

    @property
    def boundary_measure(self) -> float:
        """Length (d = 2) or area (d >= 3) of the boundary; the number of end points (d = 1)."""
        return float(quadrature(self.pieces(), self.dimension).weights.sum())

    @property
    def measure(self) -> float:
        """Length, area or volume.

        By the divergence theorem, V = ∮ (x - c)·n dA / d, from a quadrature of the boundary;
        by counting low-discrepancy points where a direction is periodic.
        """
        return counted_measure(self) if any(self.periods) else divergence_measure(self)


def divergence_measure(region: Region) -> float:
    """V = ∮ (x - c)·n dA / d from a quadrature of the boundary."""
    sample = quadrature(region.pieces(), region.dimension)
    lower, upper = region.bounding_box()
    arms = np.sum((sample.points - (lower + upper) / 2.0) * sample.normals, axis=1)
    return float(sample.weights @ arms) / region.dimension


def counted_measure(region: Region) -> float:
    """The share of low-discrepancy points that lie inside, times the volume they fill."""
    shift = np.zeros(region.interior_parameters)
    uniform = low_discrepancy(1 << 16, region.interior_parameters, shift)
    return region.interior_chart_measure * float(np.mean(region.interior_chart(uniform)[1]))


def line_stretches(region: Region) -> list[tuple[float, float]]:
    """The intervals that a region on the line consists of, from left to right.

    One that runs through the end of a period ends beyond it; one without ends is a whole period.
    """
    ends = sorted(
        (piece.position, piece.normal) for piece in region.pieces() if isinstance(piece, EndPoint)
    )
    if not ends:
        lower, upper = region.bounding_box()
        return [(float(lower[0]), float(upper[0]))]
    if ends[0][1] > 0.0:
        ends.append((ends[0][0] + region.periods[0], 1.0))
        del ends[0]
    places = [place for place, _ in ends]
    return list(zip(places[0::2], places[1::2], strict=True))
