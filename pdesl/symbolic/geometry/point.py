"""Space without extent: the region of a problem in time alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import ArrayLike

from pdesl.symbolic.geometry.pieces import Array, Piece
from pdesl.symbolic.geometry.region import Region

__all__ = ["Point"]


@final
@dataclass(frozen=True, slots=True)
class Point(Region):
    """The one place of R⁰, without a boundary; points are arrays (n, 0).

    Its measure is one, as that of a point under counting: ∫ f dV = f.
    """

    @property
    def dimension(self) -> int:
        return 0

    @property
    def part_names(self) -> tuple[str, ...]:
        return ()

    def level(self, points: ArrayLike) -> Array:
        return np.full(len(np.asarray(points)), -1.0)

    def bounding_box(self) -> tuple[Array, Array]:
        return np.zeros(0), np.zeros(0)

    def pieces(self) -> tuple[Piece, ...]:
        return ()

    @property
    def size(self) -> float:
        return 0.0

    @property
    def boundary_measure(self) -> float:
        return 0.0

    @property
    def measure(self) -> float:
        return 1.0
