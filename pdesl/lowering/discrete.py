"""Rows on nodes as JAX operators: spatial jets are products of sparse matrices with nodal values.

Derivatives in time are asked of the caller, who knows the fields as functions of time:
`values[k][f]` holds ∂t^k of field f at all nodes, as (M,) for a steady problem and (M, S) on S
time slices.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import Array

from pdesl.lowering.nodal import NodalRow, NodalSystem, NodalTerm
from pdesl.lowering.sparse import SparseOperator

__all__ = ["DiscreteSystem", "StencilRow", "to_discrete"]

Values = Sequence[Sequence[Array]]


class Selection(eqx.Module):
    """The values at some of the nodes, as an operator."""

    indices: Array

    def __matmul__(self, values: Array) -> Array:
        return values.at[self.indices].get(mode="promise_in_bounds")


class Leading(eqx.Module):
    """The values at the first nodes, as an operator."""

    count: int = eqx.field(static=True)

    def __matmul__(self, values: Array) -> Array:
        return values[: self.count]


SpaceOperator = SparseOperator | Selection | Leading


class Product(eqx.Module):
    """coefficient · (operator @ ∂t^order of a field); no coefficient stands for one."""

    operator: SpaceOperator
    field: int = eqx.field(static=True)
    time_order: int = eqx.field(static=True)
    coefficient: Array | float | None = None

    def __call__(self, values: Values) -> Array:
        result = self.operator @ values[self.time_order][self.field]
        return result if self.coefficient is None else self.coefficient * result


class StencilRow(eqx.Module):
    """One row at its nodes; the residual has the shape (n,) or (n, S).

    Where `kept` (n,) is given, it is zero at the other nodes.
    """

    name: str = eqx.field(static=True)
    linear: tuple[Product, ...]
    jets: tuple[Product, ...]
    nonlinear: Callable[..., Any] | None = eqx.field(static=True)
    columns: Array
    forcing: Array
    initial: bool = eqx.field(static=True)
    kept: Array | None = None

    def __call__(self, values: Values) -> Array:
        if self.initial:  # the first slice alone
            values = [[f[:, :1] for f in fields] for fields in values]
        result = self.forcing
        for product in self.linear:
            result = result + product(values)
        if self.nonlinear is not None:
            result = result + self.nonlinear(*(jet(values) for jet in self.jets), *self.columns)
        if self.kept is not None:
            kept = self.kept if result.ndim == 1 else self.kept[:, None]
            result = jnp.where(kept, result, 0.0)
        return result


class DiscreteSystem(eqx.Module):
    """Every row of a system on one cloud.

    `exchange` adds to values at the own nodes of a device those at nodes of others.
    """

    interior: tuple[StencilRow, ...]
    boundary: tuple[StencilRow, ...]
    initial: tuple[StencilRow, ...]
    exchange: Callable[[Array], Array] | None = None

    def residuals(self, values: Values) -> list[Array]:
        """Residuals of every row: interior, boundary, initial."""
        if self.exchange is not None:
            values = [[self.exchange(field) for field in fields] for fields in values]
        return [row(values) for row in self.all]

    @property
    def all(self) -> tuple[StencilRow, ...]:
        return (*self.interior, *self.boundary, *self.initial)


def to_discrete(nodal: NodalSystem, dtype: Any = np.float64) -> DiscreteSystem:
    """The rows of a nodal system with their arrays in `dtype` on the default device.

    A matrix that several rows share becomes one operator.
    """
    built: dict[int, SpaceOperator] = {}

    def operator(term: NodalTerm, row: NodalRow) -> SpaceOperator:
        if term.matrix is None:
            count = len(row.nodes)
            if np.array_equal(row.nodes, np.arange(count)):
                return Leading(count)
            return Selection(jnp.asarray(row.nodes, jnp.int32))
        if id(term.matrix) not in built:
            built[id(term.matrix)] = SparseOperator.from_csr(term.matrix, dtype)
        return built[id(term.matrix)]

    def product(term: NodalTerm, row: NodalRow) -> Product:
        coefficient = term.coefficient
        if isinstance(coefficient, np.ndarray):
            coefficient = jnp.asarray(coefficient, dtype)
        return Product(operator(term, row), term.field, term.time_order, coefficient)

    def stencil_row(row: NodalRow) -> StencilRow:
        return StencilRow(
            row.name,
            tuple(product(t, row) for t in row.linear),
            tuple(product(t, row) for t in row.jets),
            row.nonlinear,
            jnp.asarray(row.columns, dtype),
            jnp.asarray(row.forcing, dtype),
            row.kind == "initial" and row.forcing.ndim == 2,
        )

    interior, boundary, initial = (
        tuple(stencil_row(row) for row in rows)
        for rows in (nodal.interior, nodal.boundary, nodal.initial)
    )
    return DiscreteSystem(interior, boundary, initial)
