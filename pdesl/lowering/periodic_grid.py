"""A uniform grid of a periodic box, its transforms, and the finer one on which products are formed.

No alias of a product of degree m reaches the modes that are kept on (m + 1)/2 times the points, for
Fourier's method (S. A. Orszag, J. Atmos. Sci. 28, 1971, for m = 2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.fft

from pdesl.lowering.differences import difference_symbol

if TYPE_CHECKING:
    from pdesl.symbolic.geometry import Region

__all__ = ["PeriodicGrid", "make_periodic_grid"]

# SciPy dispatches its transforms on types that checkers cannot follow.
_FFT: Any = scipy.fft
_ON_NODE = 1e-9  # of the spacing: how near to a node a place is that node


@dataclass(frozen=True, slots=True, eq=False)
class PeriodicGrid:
    """A uniform grid of a periodic box and its wave numbers.

    `difference_order` is None for Fourier's method, else the order of the finite differences;
    `fine` are the points along each axis at which products are formed.
    """

    lower: np.ndarray
    periods: np.ndarray
    counts: tuple[int, ...]
    fine: tuple[int, ...]
    difference_order: int | None

    @property
    def dimension(self) -> int:
        return len(self.counts)

    @property
    def modes(self) -> tuple[int, ...]:
        return (*self.counts[:-1], self.counts[-1] // 2 + 1)

    def waves(self, axis: int) -> np.ndarray:
        """Wave numbers 2π k / L along one axis, in the order of the transform."""
        count = self.counts[axis]
        step = float(self.periods[axis]) / count
        numbers = _FFT.rfftfreq if axis == self.dimension - 1 else _FFT.fftfreq
        return 2 * np.pi * numbers(count, step)

    def points(self, counts: Sequence[int] | None = None) -> np.ndarray:
        """The points (n, d) of the grid, or of one with other counts; last axis fastest."""
        counts = self.counts if counts is None else counts
        lines = [
            low + length * np.arange(n) / n
            for low, length, n in zip(self.lower, self.periods, counts, strict=True)
        ]
        mesh = np.meshgrid(*lines, indexing="ij")
        return np.stack([m.ravel() for m in mesh], axis=1)

    def symbol(self, index: Sequence[int]) -> np.ndarray:
        """What ∂^index multiplies the coefficients with, of the shape of the modes."""
        total = np.ones(self.modes, dtype=complex)
        for axis, m in enumerate(index):
            if not m:
                continue
            waves, count = self.waves(axis), self.counts[axis]
            if self.difference_order is None:
                line = (1j * waves) ** m
                if m % 2 and count % 2 == 0:
                    line[count // 2] = 0.0  # of exp(±i k x) at the end of the spectrum
            else:
                spacing = float(self.periods[axis]) / count
                line = difference_symbol(waves, spacing, m, self.difference_order)
            shape = [1] * self.dimension
            shape[axis] = -1
            total = total * line.reshape(shape)
        return total

    def to_modes(self, values: np.ndarray) -> np.ndarray:
        """Coefficients of values on the grid, over the last d axes."""
        return _FFT.rfftn(values, axes=self._axes())

    def to_values(self, modes: np.ndarray) -> np.ndarray:
        """Values on the grid of coefficients, over the last d axes."""
        return _FFT.irfftn(modes, s=self.counts, axes=self._axes())

    def _axes(self) -> tuple[int, ...]:
        return tuple(range(-self.dimension, 0))

    def to_fine(self, modes: np.ndarray) -> np.ndarray:
        """Values on the fine grid."""
        if self.fine == self.counts:
            return self.to_values(modes)
        return self.to_grid(modes, self.fine)

    def to_grid(self, modes: np.ndarray, counts: tuple[int, ...]) -> np.ndarray:
        """Values of the trigonometric polynomial on a finer grid."""
        shape = (*counts[:-1], counts[-1] // 2 + 1)
        wide = np.zeros((*modes.shape[: -self.dimension], *shape), dtype=complex)
        for own, other in self.blocks(counts):
            wide[(..., *other)] = modes[(..., *own)]
        scale = np.prod([f / c for f, c in zip(counts, self.counts, strict=True)])
        return _FFT.irfftn(wide, s=counts, axes=self._axes()) * scale

    def from_fine(self, values: np.ndarray) -> np.ndarray:
        """Coefficients of values on the fine grid, those beyond the kept modes dropped."""
        if self.fine == self.counts:
            return self.to_modes(values)
        wide = _FFT.rfftn(values, axes=self._axes())
        found = np.zeros((*wide.shape[: -self.dimension], *self.modes), dtype=complex)
        for own, other in self.blocks(self.fine):
            found[(..., *own)] = wide[(..., *other)]
        scale = np.prod([c / f for f, c in zip(self.fine, self.counts, strict=True)])
        return found * scale

    def blocks(self, counts: tuple[int, ...]) -> list[tuple[tuple[slice, ...], tuple[slice, ...]]]:
        """Where the kept modes lie in both transforms; the end of an even spectrum is dropped."""
        pairs: list[list[tuple[slice, slice]]] = []
        for axis, (count, wide) in enumerate(zip(self.counts, counts, strict=True)):
            half = (count - 1) // 2
            positive = slice(0, half + 1), slice(0, half + 1)
            if axis == self.dimension - 1:
                pairs.append([positive])
                continue
            negative = slice(count - half, count), slice(wide - half, wide)
            pairs.append([positive, negative] if half else [positive])
        found: list[tuple[tuple[slice, ...], tuple[slice, ...]]] = [((), ())]
        for choices in pairs:
            found = [((*a, own), (*b, other)) for a, b in found for own, other in choices]
        return found

    def keep(self, modes: np.ndarray) -> np.ndarray:
        """The coefficients without the end of an even spectrum, which has no phase."""
        if self.difference_order is not None:
            return modes
        found = np.zeros_like(modes)
        for own, _ in self.blocks(self.counts):
            found[(..., *own)] = modes[(..., *own)]
        return found

    def nodes_at(self, places: np.ndarray) -> np.ndarray | None:
        """The numbers (n,) of the nodes that places (n, d) are, None when one is no node."""
        spacing = self.periods / np.asarray(self.counts)
        steps = (places - self.lower) / spacing
        nearest = np.rint(steps)
        if np.any(np.abs(steps - nearest) > _ON_NODE):
            return None
        wrapped = nearest.astype(int) % np.asarray(self.counts)
        return np.asarray(np.ravel_multi_index(tuple(wrapped.T), self.counts))

    def phases(self, places: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        """exp(i k_a (x_a - lower_a)) along each axis a: (m, modes of a), and which of them (n,).

        The m are the different coordinates of the places (n, d) along that axis.
        """
        found: list[tuple[np.ndarray, np.ndarray]] = []
        for axis in range(self.dimension):
            own, which = np.unique(places[:, axis], return_inverse=True)
            found.append((np.exp(1j * np.outer(own - self.lower[axis], self.waves(axis))), which))
        return found

    def interpolate(self, modes: np.ndarray, phases: Sequence[np.ndarray]) -> np.ndarray:
        """Values (k, n) of k trigonometric polynomials (k, modes) at places with these phases."""
        last = self.dimension - 1
        half = np.full(self.modes[-1], 2.0)
        half[0] = 1.0
        if self.counts[-1] % 2 == 0:
            half[-1] = 1.0
        table = modes * half / np.prod(self.counts)
        # The first axis is a matrix product, every further one a sum at each place.
        result: Any = np.tensordot(phases[0], table, axes=(1, 1))
        for axis in range(1, last + 1):
            shape = (len(result), 1, -1, *[1] * (last - axis))
            result = np.sum(result * phases[axis].reshape(shape), axis=2)
        return result.real.T


def make_periodic_grid(
    region: Region, counts: Sequence[int], *, degree: int, difference_order: int | None
) -> PeriodicGrid:
    """The grid of a periodic box; `degree` is that of the products to be formed."""
    lower, _ = region.bounding_box()
    factor = 1.0 if difference_order is not None else (degree + 1) / 2
    fine = tuple(int(_FFT.next_fast_len(ceil(factor * n), real=True)) for n in counts)
    return PeriodicGrid(
        np.asarray(lower, float),
        np.asarray(region.periods, float),
        tuple(counts),
        fine if factor > 1 else tuple(counts),
        difference_order,
    )
