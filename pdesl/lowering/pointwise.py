"""Rows at points: jets are derivatives of a network, by collapsed Taylor propagation.

The linear terms of a field in a row are one collapsed sum (see `taylor`); a jet that the
nonlinear part needs is a request of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import sympy
from jax import Array

from pdesl.ir.system import Row, System
from pdesl.lowering.emit import jax_namespace, lower_row
from pdesl.lowering.places import Places
from pdesl.lowering.taylor import CollapsedSum, Derivative, LayeredNetwork, Plan, plan

__all__ = ["PointRow", "to_pointwise"]


class RowData(eqx.Module):
    """What a row knows of each of its points; every array has the points as its first axis.

    Where `kept` (n,) is given, residuals at the other points count as zero.
    """

    inputs: Array
    coefficients: tuple[tuple[Array, ...], ...]
    columns: Array
    forcing: Array
    kept: Array | None = None

    def parts(self, rows: np.ndarray, kept: np.ndarray) -> RowData:
        """Some of the points for each device: numbers and flags (devices, r)."""
        chosen = jax.tree.map(lambda leaf: np.asarray(leaf)[rows], self)
        return eqx.tree_at(lambda d: d.kept, chosen, kept, is_leaf=lambda leaf: leaf is None)


class PointRow(eqx.Module):
    """One row at its points. `residual` maps a network and (some of) `data` to (n,)."""

    name: str = eqx.field(static=True)
    plan: Plan = eqx.field(static=True)
    constants: tuple[tuple[float | None, ...], ...] = eqx.field(static=True)
    linear: int = eqx.field(static=True)
    nonlinear: Callable[..., Any] | None = eqx.field(static=True)
    data: RowData

    def residual(self, network: LayeredNetwork, data: RowData) -> Array:
        """Residuals (n,) at the points of `data`."""
        coefficients = []
        for constants, arrays in zip(self.constants, data.coefficients, strict=True):
            remaining = iter(arrays)
            coefficients.append([next(remaining) if c is None else c for c in constants])
        empty: list[Any] = [()] * (len(self.plan.requests) - self.linear)
        jets = self.plan.evaluate(network, data.inputs, [*coefficients, *empty], chunk=None)
        result = data.forcing
        for term in jets[: self.linear]:
            result = result + term
        if self.nonlinear is not None:
            result = result + self.nonlinear(*jets[self.linear :], *data.columns.T)
        return result if data.kept is None else jnp.where(data.kept, result, 0.0)

    def parts(self, rows: np.ndarray, kept: np.ndarray) -> PointRow:
        """Some of the points for each device; see `RowData.parts`."""
        return eqx.tree_at(lambda row: row.data, self, self.data.parts(rows, kept))


def to_pointwise(
    row: Row,
    system: System,
    places: Places,
    values: Mapping[sympy.Symbol, float],
    dtype: Any = np.float64,
) -> PointRow:
    """A row at points, for networks whose inputs are the coordinates in the system's order.

    Raises:
        ProblemError: see `lower_row`.
    """
    arrays = lower_row(row, system, places, values, jax_namespace())
    requests: list[CollapsedSum | Derivative] = []
    constants: list[tuple[float | None, ...]] = []
    coefficients: list[tuple[Array, ...]] = []
    for terms in arrays.linear:
        requests.append(CollapsedSum(tuple(terms.terms), terms.field))
        own = terms.terms.values()
        constants.append(tuple(c if isinstance(c, float) else None for c in own))
        coefficients.append(tuple(jnp.asarray(c, dtype) for c in own if not isinstance(c, float)))
    linear = len(requests)
    requests += [Derivative(orders, number) for number, orders in arrays.jets]
    data = RowData(
        jnp.asarray(places.inputs(system), dtype),
        tuple(coefficients),
        jnp.asarray(arrays.columns.T, dtype),
        jnp.asarray(arrays.forcing, dtype),
    )
    return PointRow(row.name, plan(requests), tuple(constants), linear, arrays.nonlinear, data)
