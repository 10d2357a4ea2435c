"""A semi-discrete system on nodes, its rows divided among devices.

Every device holds the rows at its own nodes and receives the values that they read of others (see
`halo`). A device has tables (m, fields) of values at its m nodes and, after the exchange,
(m + halo, fields); matrices act on these tables as vectors. States are the host's: what is sent
to a device are the values at its own nodes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from scipy.sparse import coo_matrix, csr_matrix

from pdesl.lowering.halo import Halo, NodeCuts, cut_nodes
from pdesl.lowering.imex_nodal import NodalImex, assemble
from pdesl.lowering.local_inverses import local_inverses, strongest
from pdesl.lowering.sparse import Ellpack

__all__ = ["DividedLines", "LineParts", "divide_lines"]

#: A matrix, or the values themselves.
Source = tuple[bool, int]


@jax.jit
def _times(matrix: Ellpack, vector: Array) -> Array:
    """A product that is traced once for all places of a program."""
    return matrix.product(vector)


class LineRow(eqx.Module):
    """The explicit terms of a field that are no fixed matrix; `holds` (m,) flags its nodes.

    `jets` and `moving` say where their values are: derivatives or fields, and which.
    """

    holds: Array
    columns: tuple[Array, ...]
    field: int = eqx.field(static=True)
    nonlinear: Callable[..., Any] | None = eqx.field(static=True)
    jets: tuple[Source, ...] = eqx.field(static=True)
    moving: tuple[Source, ...] = eqx.field(static=True)


class DividedLines(eqx.Module):
    """The rows of one device, inside `devices.mapped`; see `NodalImex` for their meaning.

    `differential` (m, fields) and `kept` (m,) are flags: places that fill up a part are not kept.
    """

    exchange: Halo
    stiff: Ellpack
    constraints: Ellpack
    linear: Ellpack
    derivatives: Ellpack
    moving: tuple[Ellpack, ...]
    rows: tuple[LineRow, ...]
    differential: Array
    kept: Array

    def _around(self, values: Array) -> Array:
        return self.exchange(values).reshape(-1)

    def implicit(self, values: Array, scales: tuple[Array, ...]) -> Array:
        """A u (m, fields); `scales` are the coefficients of the matrices that change."""
        return self._implicit(self._around(values), values.shape, scales)

    def _implicit(self, around: Array, shape: Any, scales: tuple[Array, ...]) -> Array:
        total = _times(self.stiff, around).reshape(shape)
        for matrix, scale in zip(self.moving, scales, strict=True):
            total = total + scale * _times(matrix, around).reshape(shape)
        return total

    def stage(self, gamma: Array, values: Array, scales: tuple[Array, ...]) -> Array:
        """u − γ A u at differential values, B u at algebraic ones (m, fields)."""
        around = self._around(values)
        own = jnp.where(self.differential, values, 0.0)
        own = own - gamma * self._implicit(around, values.shape, scales)
        own = own + _times(self.constraints, around).reshape(values.shape)
        return jnp.where(self.kept[:, None], own, values)

    def explicit(self, t: Array, values: Array, changing: tuple[Array, ...]) -> Array:
        """E(t, u) (m, fields); `changing` are coefficients of terms that change in time."""
        around = self._around(values)
        total = _times(self.linear, around).reshape(values.shape)
        derivatives = _times(self.derivatives, around).reshape(len(values), -1)

        def value(source: Source) -> Array:
            return derivatives[:, source[1]] if source[0] else values[:, source[1]]

        coefficients = iter(changing)
        for row in self.rows:
            more = jnp.zeros(len(values), values.dtype)
            for source in row.moving:
                more = more + next(coefficients) * value(source)
            if row.nonlinear is not None:
                more = more + row.nonlinear(t, *map(value, row.jets), *row.columns)
            total = total.at[:, row.field].add(jnp.where(row.holds, more, 0.0))
        return total

    def precondition(self, inverse: Ellpack, values: Array) -> Array:
        """The product with local inverses (m, fields)."""
        own = _times(inverse, self._around(values)).reshape(values.shape)
        return jnp.where(self.kept[:, None], own, values)


@dataclass(frozen=True, slots=True, eq=False)
class LineParts:
    """How a system is divided: from tables of the host to parts, and back.

    `places` (devices, M) is where a device has a node that it knows, `around` (M, k) the nodes of
    the local inverse at each.
    """

    system: NodalImex
    cuts: NodeCuts
    places: np.ndarray
    around: np.ndarray

    def parts(self, state: np.ndarray) -> np.ndarray:
        """(devices, m, fields) from a state (fields·M,)."""
        return np.moveaxis(self.system.table(state)[:, self.cuts.nodes], 0, -1)

    def state(self, parts: np.ndarray) -> np.ndarray:
        """The state of parts."""
        return np.ascontiguousarray(parts[self.cuts.owner, self.cuts.slot].T).ravel()

    def at_nodes(self, nodes: np.ndarray, values: Any) -> np.ndarray:
        """(devices, m) from values at some nodes, zero at all others."""
        whole = np.zeros(self.system.nodes)
        whole[nodes] = values
        return whole[self.cuts.nodes]

    def matrix(self, matrix: csr_matrix) -> Ellpack:
        """The rows of every device of a matrix over all values, field after field."""
        count, size = self.system.nodes, self.cuts.nodes.shape[1]
        fields = len(self.system.fields)
        table: Any = coo_matrix(matrix)
        heights = table.shape[0] // count
        row, node = np.divmod(table.row, count)
        other, column = np.divmod(table.col, count)
        owner = self.cuts.owner[node]
        shape = size * heights, self.cuts.columns * fields
        made = []
        for d in range(self.cuts.devices):
            own = owner == d
            rows = self.cuts.slot[node[own]] * heights + row[own]
            columns = self.places[d, column[own]] * fields + other[own]
            made.append(csr_matrix((table.data[own], (rows, columns)), shape))
        return Ellpack.stacked(made, np.float64)

    def inverses(self, gamma: float, t: float) -> Ellpack:
        """Local inverses of the matrix of a stage."""
        return self.matrix(local_inverses(_stage(self.system, gamma, t), self.around))

    def changing(self, t: float) -> tuple[np.ndarray, ...]:
        """The coefficients of explicit terms that change in time, (devices, m) each."""
        return tuple(
            self.at_nodes(row.nodes, coefficient(t))
            for row in self.system.explicit_rows
            for _, coefficient in row.moving
        )

    def scales(self, t: float) -> tuple[np.ndarray, ...]:
        """Those of the implicit matrices, (devices, m, fields) each."""
        found = []
        for _, rows, coefficient in self.system.moving:
            scale = np.zeros(self.system.size)
            scale[rows] = coefficient(t)
            found.append(self.parts(scale))
        return tuple(found)


def _stage(system: NodalImex, gamma: float, t: float) -> csr_matrix:
    differential = csr_matrix(
        (system.differential.astype(float), np.arange(system.size), np.arange(system.size + 1)),
        (system.size, system.size),
    )
    found: Any = differential - gamma * system.stiff_at(t) + system.constraints
    return csr_matrix(found)


def divide_lines(system: NodalImex, devices: int, t: float) -> tuple[LineParts, DividedLines]:
    """The rows of every device, arrays (devices, …) of NumPy.

    Args:
        system: without known tables at its nodes.
        t: the first time, at which couplings are looked at.

    Raises:
        ProblemError: a function that JAX lacks (E327).
    """
    fields, count = len(system.fields), system.nodes
    linear = assemble(
        [(r.field, f, (r.nodes, m)) for r in system.explicit_rows for f, m in r.linear],
        fields, count,
    )  # fmt: skip
    derivatives, sources = _derivatives(system)
    matrices = [system.stiff, system.constraints, linear, *(m for m, _, _ in system.moving)]
    # Entries of all stages have the same order, but for coefficients that change in time.
    around = strongest(_stage(system, 1.0, t), count)
    cuts = cut_nodes(system.space.points, _pattern([*matrices, derivatives], around), devices)
    places, exchange = cuts.exchange()
    parts = LineParts(system, cuts, places, around)
    size = cuts.nodes.shape[1]
    kept: Any = np.arange(size) < np.bincount(cuts.owner, minlength=devices)[:, None]
    differential: Any = parts.parts(system.differential)
    rows = []
    for row in system.explicit_rows:
        formula = None if row.nonlinear is None else row.nonlinear.formula
        if formula is None and not row.moving:
            continue
        columns: Any = () if formula is None else formula.columns
        holds: Any = parts.at_nodes(row.nodes, 1.0) > 0.0
        rows.append(
            LineRow(
                holds & kept,
                tuple(_filled(parts, row.nodes, column) for column in columns),
                row.field,
                None if formula is None else formula.to_jax(),
                tuple(sources[row.group][j] for j in row.jets),
                tuple(sources[row.group][j] for j, _ in row.moving),
            )
        )
    return parts, DividedLines(
        exchange,
        parts.matrix(system.stiff),
        parts.matrix(system.constraints),
        parts.matrix(linear),
        parts.matrix(derivatives),
        tuple(parts.matrix(m) for m, _, _ in system.moving),
        tuple(rows),
        differential,
        kept,
    )


def _filled(parts: LineParts, nodes: np.ndarray, column: np.ndarray) -> Any:
    """A column at some nodes; at others one of its values, so that nothing is undefined there."""
    whole = np.full(parts.system.nodes, column[0] if len(column) else 0.0)
    whole[nodes] = column
    return whole[parts.cuts.nodes]


def _derivatives(system: NodalImex) -> tuple[csr_matrix, list[list[Source]]]:
    """All derivatives at all nodes as rows of one matrix, and where each jet of a group is."""
    fields, count = len(system.fields), system.nodes
    sources: list[list[Source]] = []
    rows, columns, data = [np.zeros(0, int)], [np.zeros(0, int)], [np.zeros(0)]
    number = 0
    for group in system.groups:
        own: list[Source] = []
        for field, matrix in zip(group.fields, group.matrices, strict=True):
            if matrix is None:
                own.append((False, field))
                continue
            table: Any = coo_matrix(matrix)
            rows.append(number * count + group.centres[table.row])
            columns.append(field * count + table.col)
            data.append(table.data)
            own.append((True, number))
            number += 1
        sources.append(own)
    shape = number * count, fields * count
    entries = np.concatenate(data), (np.concatenate(rows), np.concatenate(columns))
    return csr_matrix(entries, shape), sources


def _pattern(matrices: Sequence[Any], around: np.ndarray) -> csr_matrix:
    """Which node reads which, (M, M): in matrices, and in the local inverses around it."""
    count, wide = around.shape
    rows, columns = [np.repeat(np.arange(count), wide)], [around.ravel()]
    for matrix in matrices:
        table = coo_matrix(matrix)
        rows.append(table.row % count)
        columns.append(table.col % count)
    ones = np.ones(sum(map(len, rows)))
    return csr_matrix((ones, (np.concatenate(rows), np.concatenate(columns))), (count, count))
