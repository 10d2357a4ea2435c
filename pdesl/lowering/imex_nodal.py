"""A semi-discrete system on nodes: u' = E(t, u) + A(t) u + f(t), with constraints B u = g(t).

The state is the array of all nodal values, field after field, (F·M,). Values that a boundary
condition fixes, and those of fields with an equation in space at every moment, are algebraic: the
rows of E and A are zero there, and they follow from the others by B u + N(t, u) = g(t). Everything
here is NumPy and SciPy on the host.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse

from pdesl.lowering.space import NodalSpace
from pdesl.lowering.time_functions import TimeFunction

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

__all__ = [
    "Border", "ExplicitRow", "Jets", "NodalImex", "assemble", "selection", "worst_part",
]  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Jets:
    """Jets at one set of centres: a field and a matrix each, None for the values themselves."""

    centres: np.ndarray
    fields: tuple[int, ...]
    matrices: tuple[csr_matrix | None, ...]


@dataclass(frozen=True, slots=True, eq=False)
class ExplicitRow:
    """The explicit part of one field's right-hand side at the nodes where it holds.

    `linear` maps a field to its matrix; `jets` are what the nonlinear part takes, positions in
    the group `group`; `moving` are terms whose coefficient changes in time.
    """

    field: int
    nodes: np.ndarray
    linear: tuple[tuple[int, csr_matrix], ...]
    group: int
    jets: tuple[int, ...]
    nonlinear: TimeFunction | None
    slopes: tuple[TimeFunction, ...]
    moving: tuple[tuple[int, TimeFunction], ...]
    forcing: TimeFunction | None
    name: str


@dataclass(frozen=True, slots=True, eq=False)
class Border:
    """Conditions on integrals of the values, W u = b(t), in place of constants that are free.

    A constraint that its field satisfies with any constant added, such as ∇·v = 0 for the
    pressure, is also one that not all data fit. It holds but for an unknown number c, the same at
    all its nodes: B u + Φ c = g. `rows` (k, F·M) is W, `columns` (F·M, k) is Φ.
    """

    rows: csr_matrix
    columns: csr_matrix
    data: tuple[TimeFunction, ...]

    def values(self, t: float) -> np.ndarray:
        """b(t), (k,)."""
        return np.array([float(f(t)) for f in self.data])


@dataclass(frozen=True, slots=True, eq=False)
class NodalImex:
    """The semi-discrete system; see the module.

    `differential` (F·M,) flags the values that obey an equation; `stiff` is the part of A that
    does not change, `moving` the rest, as matrices with a coefficient for each of their rows;
    `constraints` is B and `data` gives g(t), both with rows at the algebraic values, and
    `constraint_rows` is N, what is not linear in them or changes in time; `given` (tables, M) are
    known values at the nodes, counted after the fields; `multipliers` are the fields that no
    constraint but a condition at the boundary holds.
    """

    space: NodalSpace
    fields: tuple[str, ...]
    differential: np.ndarray
    groups: tuple[Jets, ...]
    explicit_rows: tuple[ExplicitRow, ...]
    stiff: csr_matrix
    moving: tuple[tuple[csr_matrix, np.ndarray, TimeFunction], ...]
    constraints: csr_matrix
    data: tuple[tuple[np.ndarray, TimeFunction], ...]
    start: np.ndarray
    given: np.ndarray
    constraint_rows: tuple[ExplicitRow, ...] = ()
    multipliers: tuple[int, ...] = ()
    border: Border | None = None

    @property
    def size(self) -> int:
        return len(self.differential)

    @property
    def nodes(self) -> int:
        return self.size // len(self.fields)

    @property
    def has_moving_matrix(self) -> bool:
        return bool(self.moving)

    def table(self, state: np.ndarray) -> np.ndarray:
        """The state as (fields, nodes)."""
        return state.reshape(len(self.fields), -1)

    def _with_given(self, state: np.ndarray) -> np.ndarray:
        table = self.table(state)
        return np.concatenate([table, self.given]) if len(self.given) else table

    def stiff_at(self, t: float) -> csr_matrix:
        """A(t)."""
        total = self.stiff
        for matrix, rows, coefficient in self.moving:
            scale = np.zeros(self.size)
            scale[rows] = coefficient(t)
            total = total + scipy.sparse.diags_array(scale) @ matrix
        return total

    def implicit(self, t: float, state: np.ndarray) -> np.ndarray:
        """A(t) u."""
        return self.stiff_at(t) @ state

    def constraint_data(self, t: float) -> np.ndarray:
        """g(t), zero at differential values."""
        found = np.zeros(self.size)
        for places, function in self.data:
            found[places] = function(t)
        return found

    def _jet_values(
        self, state: np.ndarray, rows: Sequence[ExplicitRow]
    ) -> dict[int, list[np.ndarray]]:
        """The jets of every group that one of the rows takes its own from."""
        table = self._with_given(state)
        groups = {row.group: self.groups[row.group] for row in rows}
        return {
            number: [
                table[f][g.centres] if m is None else m @ table[f]
                for f, m in zip(g.fields, g.matrices, strict=True)
            ]
            for number, g in groups.items()
        }

    def explicit(self, t: float, state: np.ndarray) -> np.ndarray:
        """E(t, u), zero at algebraic values."""
        return self._sums(t, state, self.explicit_rows)

    def constraint_rest(self, t: float, state: np.ndarray) -> np.ndarray:
        """N(t, u), zero at differential values."""
        return self._sums(t, state, self.constraint_rows)

    def _sums(self, t: float, state: np.ndarray, rows: Sequence[ExplicitRow]) -> np.ndarray:
        found = np.zeros(self.size)
        out, table = self.table(found), self._with_given(state)
        jets = self._jet_values(state, rows)
        for row in rows:
            total: Any = 0.0
            for field, matrix in row.linear:
                total = total + matrix @ table[field]
            for position, coefficient in row.moving:
                total = total + coefficient(t) * jets[row.group][position]
            if row.nonlinear is not None:
                total = total + row.nonlinear(t, *(jets[row.group][j] for j in row.jets))
            out[row.field, row.nodes] = total
        return found

    def forcing(self, t: float) -> np.ndarray:
        """f(t), the terms without fields, zero at algebraic values."""
        found = np.zeros(self.size)
        out = self.table(found)
        for row in self.explicit_rows:
            if row.forcing is not None:
                out[row.field, row.nodes] = row.forcing(t)
        return found

    def explicit_jacobian(self, t: float, state: np.ndarray) -> csr_matrix:
        """∂E/∂u, a sparse matrix."""
        return self._slopes(t, state, self.explicit_rows)

    def constraint_jacobian(self, t: float, state: np.ndarray) -> csr_matrix:
        """∂N/∂u, a sparse matrix."""
        return self._slopes(t, state, self.constraint_rows)

    def _slopes(self, t: float, state: np.ndarray, rows: Sequence[ExplicitRow]) -> csr_matrix:
        jets = self._jet_values(state, rows)
        blocks: list[tuple[int, int, Any]] = []
        for row in rows:
            group = self.groups[row.group]
            blocks += [
                (row.field, f, (row.nodes, m)) for f, m in row.linear if f < len(self.fields)
            ]
            own = [jets[row.group][j] for j in row.jets]
            parts = [(p, c(t)) for p, c in row.moving]
            parts += [(j, s(t, *own)) for j, s in zip(row.jets, row.slopes, strict=True)]
            for position, slope in parts:
                if group.fields[position] >= len(self.fields):
                    continue
                matrix = group.matrices[position]
                if matrix is None:
                    matrix = selection(group.centres, self.nodes)
                scale = np.broadcast_to(np.asarray(slope, float), (len(row.nodes),))
                blocks.append(
                    (row.field, group.fields[position],
                     (row.nodes, scipy.sparse.diags_array(scale) @ matrix))
                )  # fmt: skip
        return assemble(blocks, len(self.fields), self.nodes)

    def largest_part(self, t: float, state: np.ndarray) -> str:
        """The row and the part of it, explicit, that is not finite or largest at a state."""
        with np.errstate(all="ignore"):
            table = self._with_given(state)
            jets = self._jet_values(state, self.explicit_rows)
            sizes: dict[str, float] = {}
            for row in self.explicit_rows:
                own = jets[row.group]
                scale = float(np.linalg.norm(table[row.field])) + 1e-300
                linear = [m @ table[f] for f, m in row.linear]
                linear += [c(t) * own[p] for p, c in row.moving]
                parts = {"linear terms": linear}
                if row.nonlinear is not None:
                    parts["nonlinear terms"] = [row.nonlinear(t, *(own[j] for j in row.jets))]
                for name, arrays in parts.items():
                    size = float(np.linalg.norm(np.sum(arrays, axis=0))) if arrays else 0.0
                    sizes[f"the explicit {name} of {row.name}"] = size / scale
        return worst_part(sizes)


def worst_part(sizes: Mapping[str, float]) -> str:
    """The name of what is not finite, else of what is largest."""
    return max(sizes, key=lambda n: sizes[n] if np.isfinite(sizes[n]) else np.inf)


def selection(nodes: np.ndarray, count: int) -> csr_matrix:
    own = np.arange(len(nodes))
    return scipy.sparse.csr_matrix((np.ones(len(nodes)), (own, nodes)), (len(nodes), count))


def assemble(
    blocks: Sequence[tuple[int, int, tuple[np.ndarray, Any]]], fields: int, nodes: int
) -> csr_matrix:
    """Blocks (field of the row, field of the column, (rows, matrix)) as one square matrix."""
    rows, columns, entries = [np.zeros(0, int)], [np.zeros(0, int)], [np.zeros(0)]
    for to, of, (own, matrix) in blocks:
        part = matrix.tocoo()
        rows.append(to * nodes + own[part.row])
        columns.append(of * nodes + part.col)
        entries.append(part.data)
    size = fields * nodes
    return scipy.sparse.csr_matrix(
        (np.concatenate(entries), (np.concatenate(rows), np.concatenate(columns))), (size, size)
    )
