"""Spatial jets of batches of states in JAX: on a periodic grid, on nodes, or without space.

A provider gives ∂^index of tables (batch, places) and values at measured places. It is made once
on the host; its arrays are leaves of a pytree, so that they are arguments of jitted functions.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import Array

from pdesl.lowering.periodic_grid import PeriodicGrid
from pdesl.lowering.sparse import SparseOperator

__all__ = ["GridJets", "JetProvider", "MatrixJets", "PointJets", "matrix_of", "multiply"]

Index = tuple[int, ...]
# Up to so many entries a matrix is stored in full.
DENSE_ENTRIES = 1_000_000


def matrix_of(matrix: Any) -> Any:
    """A SciPy matrix as a dense array, or as a sparse operator where that is much smaller."""
    if matrix.shape[0] * matrix.shape[1] <= DENSE_ENTRIES:
        return jnp.asarray(matrix.toarray())
    return SparseOperator.from_csr(matrix.tocsr(), np.float64)


def multiply(matrix: Any, values: Array) -> Array:
    """Rows (batch, columns) times a matrix (rows, columns), as (batch, rows)."""
    if isinstance(matrix, SparseOperator):
        return (matrix @ values.T).T
    return values @ matrix.T


class JetProvider(eqx.Module):
    """Derivatives of batches of values at the places of the state."""

    @abstractmethod
    def derivatives(self, values: Array, indices: Sequence[Index]) -> list[Array]:
        """∂^index of values (batch, places), each (batch, places)."""


class PointJets(JetProvider):
    """A system without space: one place, no derivatives."""

    def derivatives(self, values: Array, indices: Sequence[Index]) -> list[Array]:
        return [values for _ in indices]


class GridJets(JetProvider):
    """A periodic grid: derivatives are products in Fourier space.

    `symbols` by index; `counts` and `fine` are the points along each axis of the grid and of the
    finer one on which products are formed.
    """

    symbols: dict[Index, Array]
    counts: tuple[int, ...] = eqx.field(static=True)
    fine: tuple[int, ...] = eqx.field(static=True)
    blocks: tuple[Any, ...] = eqx.field(static=True)

    @classmethod
    def make(cls, grid: PeriodicGrid, indices: Sequence[Index]) -> GridJets:
        symbols = {index: jnp.asarray(grid.symbol(index)) for index in indices if any(index)}
        blocks = tuple((_hashable(own), _hashable(other)) for own, other in grid.blocks(grid.fine))
        return cls(symbols, grid.counts, grid.fine, blocks)

    @property
    def _axes(self) -> tuple[int, ...]:
        return tuple(range(-len(self.counts), 0))

    def modes(self, values: Array) -> Array:
        return jnp.fft.rfftn(values.reshape(*values.shape[:-1], *self.counts), axes=self._axes)

    def _values(self, modes: Array) -> Array:
        found = jnp.fft.irfftn(modes, s=self.counts, axes=self._axes)
        return found.reshape(*found.shape[: -len(self.counts)], -1)

    def derivatives(self, values: Array, indices: Sequence[Index]) -> list[Array]:
        if not any(any(index) for index in indices):
            return [values for _ in indices]
        modes = self.modes(values)
        return [
            self._values(self.symbols[index] * modes) if any(index) else values for index in indices
        ]

    def fine_derivatives(self, values: Array, indices: Sequence[Index]) -> list[Array]:
        """The same on the finer grid, (batch, fine places)."""
        modes = self.modes(values)
        found = []
        half = (*self.fine[:-1], self.fine[-1] // 2 + 1)
        scale = float(np.prod(self.fine) / np.prod(self.counts))
        for index in indices:
            own = self.symbols[index] * modes if any(index) else modes
            wide = jnp.zeros((*own.shape[: -len(self.counts)], *half), own.dtype)
            for narrow, broad in self.blocks:
                wide = wide.at[(..., *_slices(broad))].set(own[(..., *_slices(narrow))])
            back = jnp.fft.irfftn(wide, s=self.fine, axes=self._axes) * scale
            found.append(back.reshape(*back.shape[: -len(self.counts)], -1))
        return found

    def from_fine(self, values: Array) -> Array:
        """Values on the grid of what is given on the finer one, without its higher modes."""
        wide = jnp.fft.rfftn(values.reshape(*values.shape[:-1], *self.fine), axes=self._axes)
        modes = (*self.counts[:-1], self.counts[-1] // 2 + 1)
        own = jnp.zeros((*wide.shape[: -len(self.counts)], *modes), wide.dtype)
        for narrow, broad in self.blocks:
            own = own.at[(..., *_slices(narrow))].set(wide[(..., *_slices(broad))])
        return self._values(own * float(np.prod(self.counts) / np.prod(self.fine)))


def _hashable(parts: Sequence[slice]) -> tuple[tuple[int, int], ...]:
    return tuple((part.start, part.stop) for part in parts)


def _slices(parts: Sequence[tuple[int, int]]) -> tuple[slice, ...]:
    return tuple(slice(a, b) for a, b in parts)


class MatrixJets(JetProvider):
    """Nodes: derivatives are products with matrices (evaluated nodes, all nodes) by index."""

    matrices: dict[Index, Any]
    evaluated: int = eqx.field(static=True)

    def derivatives(self, values: Array, indices: Sequence[Index]) -> list[Array]:
        return [
            multiply(self.matrices[index], values) if any(index) else values[..., : self.evaluated]
            for index in indices
        ]
