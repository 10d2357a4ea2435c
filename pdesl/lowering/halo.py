"""Nodes divided among devices, and the rows at them: every device has the values it needs.

The nodes are cut into equal parts along a space-filling curve, so that a part is compact and few
of its stencils reach into another. A device evaluates fields at its own nodes, receives the values
at the nodes of others that its stencils need (its halo), and then has rows like those of a system
of its own:

    values of a device = [own nodes (m) | halo from the device k places before it, for each k].

Only halos travel: one `ppermute` for every distance k between devices along the curve at which
any two of them are neighbours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from scipy.sparse import csr_matrix

from pdesl.lowering.devices import AXIS
from pdesl.lowering.discrete import DiscreteSystem, Product, Selection, StencilRow
from pdesl.lowering.nodal import NodalRow, NodalSystem, NodalTerm
from pdesl.lowering.sparse import SparseOperator
from pdesl.symbolic.geometry.sampling import morton_order

__all__ = ["Halo", "NodeCuts", "NodeParts", "cut_nodes", "divide_nodes", "to_discrete_parts"]


class Halo(eqx.Module):
    """The exchange of one device with the others, inside `devices.mapped`.

    `sends[i]` (s,) are the own nodes whose values go to the device `shifts[i]` places further.
    """

    sends: tuple[Array, ...]
    shifts: tuple[int, ...] = eqx.field(static=True)
    devices: int = eqx.field(static=True)

    def __call__(self, values: Array) -> Array:
        """Values (m + halo, …) from those at the own nodes (m, …)."""
        received = [
            jax.lax.ppermute(
                values.at[send].get(mode="promise_in_bounds"), AXIS,
                [(d, (d + shift) % self.devices) for d in range(self.devices)],
            )
            for send, shift in zip(self.sends, self.shifts, strict=True)
        ]  # fmt: skip
        return jnp.concatenate([values, *received])


@dataclass(frozen=True, slots=True, eq=False)
class NodeCuts:
    """Nodes of every device.

    Attributes:
        nodes: (devices, m), numbers of nodes; what fills up the last ones is repeated.
        owner, slot: (M,), the device of a node and its place there.
        halo: nodes of others that a device needs, from each distance: `halo[d][shift]`.
    """

    nodes: np.ndarray
    owner: np.ndarray
    slot: np.ndarray
    halo: tuple[dict[int, np.ndarray], ...]

    @property
    def devices(self) -> int:
        return len(self.nodes)

    @property
    def shifts(self) -> tuple[int, ...]:
        """The distances between devices at which any values travel."""
        return tuple(sorted({shift for own in self.halo for shift in own}))

    @property
    def widths(self) -> tuple[int, ...]:
        """The most values that a device receives from each of these distances."""
        return tuple(max(len(own.get(s, ())) for own in self.halo) for s in self.shifts)

    @property
    def columns(self) -> int:
        """Values that a device has after the exchange."""
        return self.nodes.shape[1] + sum(self.widths)

    def exchange(self) -> tuple[np.ndarray, Halo]:
        """Where each device has the nodes that it knows (devices, M), and how they come there."""
        devices, size = self.nodes.shape
        shifts, widths = self.shifts, self.widths
        starts = dict(zip(shifts, size + np.cumsum([0, *widths])[:-1], strict=True))
        places = np.zeros((devices, len(self.owner)), np.int64)
        sends: list[Any] = [np.zeros((devices, width), np.int32) for width in widths]
        for d, own in enumerate(self.halo):
            mine = self.owner == d
            places[d, mine] = self.slot[mine]
            for k, shift in enumerate(shifts):
                found = own.get(shift, np.zeros(0, int))
                places[d, found] = starts[shift] + np.arange(len(found))
                sends[k][(d - shift) % devices, : len(found)] = self.slot[found]
        return places, Halo(tuple(sends), shifts, devices)


@dataclass(frozen=True, slots=True, eq=False)
class NodeParts(NodeCuts):
    """Nodes and rows of every device.

    Attributes:
        rows: for each row of the system, in its order, (devices, r) positions among its centres.
        kept: (devices, r), which of them are there once.
    """

    rows: tuple[np.ndarray, ...]
    kept: tuple[np.ndarray, ...]


def _cut(points: np.ndarray, devices: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`nodes`, `owner` and `slot` of points cut along a Z curve into parts of equal size."""
    order = morton_order(points)
    cuts = [len(order) * d // devices for d in range(devices + 1)]
    owner, slot = np.empty(len(order), int), np.empty(len(order), int)
    size = -(-len(order) // devices)
    nodes = np.empty((devices, size), int)
    for d in range(devices):
        own = order[cuts[d] : cuts[d + 1]]
        owner[own], slot[own] = d, np.arange(len(own))
        nodes[d] = np.resize(own if len(own) else order[:1], size)
    return nodes, owner, slot


def _halos(owner: np.ndarray, needed: Sequence[np.ndarray]) -> tuple[dict[int, np.ndarray], ...]:
    """From the nodes that every device reads."""
    halo = []
    for d, own in enumerate(needed):
        outside = own[owner[own] != d]
        shift = (d - owner[outside]) % len(needed)
        halo.append({int(s): outside[shift == s] for s in np.unique(shift)})
    return tuple(halo)


def cut_nodes(points: np.ndarray, pattern: csr_matrix, devices: int) -> NodeCuts:
    """Nodes (M, d) cut along a Z curve into equal parts; row i of `pattern` reads its columns."""
    nodes, owner, slot = _cut(points, devices)
    needed = [np.unique(_taken(pattern, owner == d).indices) for d in range(devices)]
    return NodeCuts(nodes, owner, slot, _halos(owner, needed))


def _rows_of(nodal: NodalSystem) -> tuple[NodalRow, ...]:
    return (*nodal.interior, *nodal.boundary, *nodal.initial)


def divide_nodes(nodal: NodalSystem, devices: int) -> NodeParts:
    """Nodes cut along a Z curve into parts of equal size, rows with their centres."""
    nodes, owner, slot = _cut(nodal.points, devices)
    rows, flags = [], []
    for row in _rows_of(nodal):
        lists = [np.flatnonzero(owner[row.nodes] == d) for d in range(devices)]
        size = max(map(len, lists))
        # Places left over repeat a row, so that nothing is evaluated where it is undefined.
        full = [np.concatenate([a, np.full(size - len(a), a[-1] if len(a) else 0)]) for a in lists]
        rows.append(np.array(full, int))
        flags.append(np.array([np.arange(size) < len(a) for a in lists]))
    needed = [_needed(nodal, rows, d) for d in range(devices)]
    return NodeParts(nodes, owner, slot, _halos(owner, needed), tuple(rows), tuple(flags))


def _needed(nodal: NodalSystem, rows: Sequence[np.ndarray], device: int) -> np.ndarray:
    """The nodes that the rows of a device read."""
    used = np.zeros(len(nodal.points), bool)
    for row, chosen in zip(_rows_of(nodal), rows, strict=True):
        used[row.nodes[chosen[device]]] = True
        for term in (*row.linear, *row.jets):
            if term.matrix is not None:
                used[_taken(term.matrix, chosen[device]).indices] = True
    return np.flatnonzero(used)


def _taken(matrix: csr_matrix, rows: np.ndarray) -> csr_matrix:
    found: Any = csr_matrix(matrix)[rows]
    return found


def to_discrete_parts(nodal: NodalSystem, parts: NodeParts, dtype: Any) -> DiscreteSystem:
    """The rows of every device, as `to_discrete` gives them for one: arrays (devices, …)."""
    devices, columns = parts.devices, parts.columns
    places, exchange = parts.exchange()
    built: dict[tuple[int, int], SparseOperator] = {}

    def local(matrix: csr_matrix, chosen: np.ndarray) -> list[csr_matrix]:
        made = []
        for d in range(devices):
            rows = _taken(matrix, chosen[d])
            made.append(
                csr_matrix((rows.data, places[d, rows.indices], rows.indptr),
                           shape=(chosen.shape[1], columns))
            )  # fmt: skip
        return made

    def product(term: NodalTerm, row: NodalRow, number: int) -> Product:
        chosen = parts.rows[number]
        coefficient: Any = term.coefficient
        if isinstance(coefficient, np.ndarray):
            shape = (len(row.nodes), *coefficient.shape[1:])
            coefficient = np.broadcast_to(coefficient, shape)[chosen].astype(dtype)
        if term.matrix is None:
            centres = row.nodes[chosen]
            found: Any = np.take_along_axis(places, centres, 1).astype(np.int32)
            operator: Any = Selection(found)
        else:
            key = id(term.matrix), number
            if key not in built:
                built[key] = SparseOperator.stacked(local(term.matrix, chosen), dtype)
            operator = built[key]
        return Product(operator, term.field, term.time_order, coefficient)

    def stencil_row(row: NodalRow, number: int) -> StencilRow:
        chosen = parts.rows[number]
        table: Any = np.moveaxis(np.asarray(row.columns)[:, chosen], 0, 1).astype(dtype)
        forcing: Any = np.asarray(row.forcing)[chosen].astype(dtype)
        kept: Any = parts.kept[number]
        return StencilRow(
            row.name,
            tuple(product(t, row, number) for t in row.linear),
            tuple(product(t, row, number) for t in row.jets),
            row.nonlinear,
            table,
            forcing,
            row.kind == "initial" and row.forcing.ndim == 2,
            kept,
        )

    numbers = iter(range(len(parts.rows)))
    interior, boundary, initial = (
        tuple(stencil_row(row, next(numbers)) for row in rows)
        for rows in (nodal.interior, nodal.boundary, nodal.initial)
    )
    return DiscreteSystem(interior, boundary, initial, exchange)
