"""Rows of a layered network divided among devices: every device holds those of its own points.

J v needs nothing from other devices, Jᵀ w and JᵀJ are sums over devices, and columns of the Gram
matrix need the chosen rows on all devices. What is seen from outside are the rows of one device.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jax import Array
from jax.sharding import Mesh

from pdesl.lowering.devices import filled, mapped, whole
from pdesl.solvers.networks import Network
from pdesl.solvers.tangent import LayeredRows, layered_rows

__all__ = ["DividedRows", "divided_rows"]


class DividedRows(LayeredRows):
    """Rows of a network over a mesh; `points` of the arrays' points count, zeros fill them up."""

    points: int = eqx.field(static=True)
    mesh: Mesh = eqx.field(static=True)

    def _on_each(
        self, function: Callable[..., Any], *arguments: tuple[Any, bool], gather: bool = False
    ) -> Any:
        rows = LayeredRows(self.activations, self.deltas)
        return mapped(function, self.mesh, (rows, True), *arguments, gather=gather)

    @property
    def count(self) -> int:
        return self.points * self.deltas[0].shape[1]

    def forward(self, direction: Array) -> Array:
        found = self._on_each(lambda rows, v: rows.forward(v), (direction, False))
        return found[: self.count]

    def transpose(self, cotangent: Array) -> Array:
        missing = super().count - self.count
        padded = jnp.pad(cotangent, (0, missing)) if missing else cotangent
        return self._on_each(lambda rows, w: rows.transpose(w), (padded, True), gather=True)

    def matrix(self) -> Array:
        return self._on_each(lambda rows: rows.matrix())[: self.count]

    def normal_panels(self) -> list[Array]:
        return self._on_each(lambda rows: rows.normal_panels(), gather=True)

    def diagonal(self) -> Array:
        return self._on_each(lambda rows: rows.diagonal())[: self.count]

    def columns(self, numbers: Array) -> Array:
        chosen = whole(self.chosen(numbers), self.mesh)
        found = self._on_each(lambda rows, other: rows.columns_of(other), (chosen, False))
        return found[: self.count]

    def panel(self, start: int, stop: int) -> Array:
        return whole(self.columns(jnp.arange(start, stop)), self.mesh)[:stop].T


def divided_rows(network: Network, features: Array, scale: Array, mesh: Mesh) -> DividedRows:
    """`layered_rows`, every device with its part of the points."""
    table = filled(features, mesh.size), jnp.pad(scale, ((0, -len(scale) % mesh.size), (0, 0)))
    rows = mapped(lambda own, part: layered_rows(own, *part), mesh, (network, False), (table, True))
    return DividedRows(rows.activations, rows.deltas, len(features), mesh)
