"""A semi-discrete system on nodes: u' = E(t, u) + A(t) u + f(t), with constraints B u = g(t).

The state is the array of all nodal values, field after field, (F·M,). Values that a boundary
condition fixes are algebraic: their rows of E and A are zero, and they follow from the others by
B u = g(t). Everything here is NumPy and SciPy on the host.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse
import sympy

from pdesl.diagnostics import SolverError
from pdesl.ir.imex import ImexRow
from pdesl.ir.system import LinearTerm, System
from pdesl.lowering.conditions_at_nodes import GHOST, VALUE, Assignment
from pdesl.lowering.emit import evaluate_at
from pdesl.lowering.places import Places
from pdesl.lowering.space import NodalSpace, SpaceOperator
from pdesl.lowering.time_functions import TimeFunction, make_time_function

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

__all__ = ["NodalImex", "to_nodal_imex", "worst_part"]


@dataclass(frozen=True, slots=True, eq=False)
class _Jets:
    """Jets at one set of centres: a field and a matrix each, None for the values themselves."""

    centres: np.ndarray
    fields: tuple[int, ...]
    matrices: tuple[csr_matrix | None, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Explicit:
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
class NodalImex:
    """The semi-discrete system; see the module.

    `differential` (F·M,) flags the values that obey an equation; `stiff` is the part of A that
    does not change, `moving` the rest, as matrices with a coefficient for each of their rows;
    `constraints` is B and `data` gives g(t), both with rows at the algebraic values.
    """

    space: NodalSpace
    fields: tuple[str, ...]
    differential: np.ndarray
    groups: tuple[_Jets, ...]
    explicit_rows: tuple[_Explicit, ...]
    stiff: csr_matrix
    moving: tuple[tuple[csr_matrix, np.ndarray, TimeFunction], ...]
    constraints: csr_matrix
    data: tuple[tuple[np.ndarray, TimeFunction], ...]
    start: np.ndarray

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

    def _jet_values(self, state: np.ndarray) -> list[list[np.ndarray]]:
        table = self.table(state)
        return [
            [
                table[f][g.centres] if m is None else m @ table[f]
                for f, m in zip(g.fields, g.matrices, strict=True)
            ]
            for g in self.groups
        ]

    def explicit(self, t: float, state: np.ndarray) -> np.ndarray:
        """E(t, u), zero at algebraic values."""
        found = np.zeros(self.size)
        out, table = self.table(found), self.table(state)
        jets = self._jet_values(state)
        for row in self.explicit_rows:
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
        jets = self._jet_values(state)
        blocks: list[tuple[int, int, Any]] = []
        for row in self.explicit_rows:
            group = self.groups[row.group]
            blocks += [(row.field, f, (row.nodes, m)) for f, m in row.linear]
            own = [jets[row.group][j] for j in row.jets]
            parts = [(p, c(t)) for p, c in row.moving]
            parts += [(j, s(t, *own)) for j, s in zip(row.jets, row.slopes, strict=True)]
            for position, slope in parts:
                matrix = group.matrices[position]
                if matrix is None:
                    matrix = _selection(group.centres, self.nodes)
                scale = np.broadcast_to(np.asarray(slope, float), (len(row.nodes),))
                blocks.append(
                    (row.field, group.fields[position],
                     (row.nodes, scipy.sparse.diags_array(scale) @ matrix))
                )  # fmt: skip
        return _assemble(blocks, len(self.fields), self.nodes)

    def largest_part(self, t: float, state: np.ndarray) -> str:
        """The row and the part of it, explicit, that is not finite or largest at a state."""
        with np.errstate(all="ignore"):
            table, jets = self.table(state), self._jet_values(state)
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


def _selection(nodes: np.ndarray, count: int) -> csr_matrix:
    own = np.arange(len(nodes))
    return scipy.sparse.csr_matrix((np.ones(len(nodes)), (own, nodes)), (len(nodes), count))


def _assemble(
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


def to_nodal_imex(
    system: System,
    rows: Sequence[ImexRow],
    space: NodalSpace,
    assignment: Assignment,
    values: Mapping[sympy.Symbol, float],
    start: float,
) -> NodalImex:
    """The semi-discrete system of rows on the nodes of a space.

    Args:
        system: gives fields, boundary and initial rows.
        rows: the right-hand side of every field (`ir.imex.to_imex`).
        space: the nodes.
        assignment: what the boundary conditions fix (`assign_conditions`).
        values: a number for every parameter.
        start: the first time.

    Raises:
        ProblemError: a coefficient or data that are not finite at a node (E326).
        SolverError: stencils that cannot be made.
    """
    lowering = _Lowering(system, space, values)
    first = len(space.cloud.interior)
    nodes = [np.concatenate([np.arange(first), first + free]) for free in assignment.free]
    differential = np.zeros((len(system.fields), len(space.points)), dtype=bool)
    for f, own in enumerate(nodes):
        differential[f, own] = True
    requests = [lowering.request(row, nodes[f]) for f, row in enumerate(rows)]
    groups = lowering.build()
    explicit = tuple(request.explicit(groups) for request in requests)
    blocks = [
        (f, field, (r.nodes, lowering.matrix(r.centres, number)))
        for f, r in enumerate(requests)
        for field, number in r.stiff
    ]
    moving = tuple(
        (
            _assemble(
                [(f, field, (r.nodes, lowering.matrix(r.centres, number)))],
                len(system.fields), len(space.points),
            ),
            f * len(space.points) + r.nodes,
            coefficient,
        )
        for f, r in enumerate(requests)
        for field, number, coefficient in r.stiff_moving
    )  # fmt: skip
    constraints, data = lowering.constraints(assignment, differential)
    return NodalImex(
        space,
        system.fields,
        differential.ravel(),
        groups,
        explicit,
        _assemble(blocks, len(system.fields), len(space.points)),
        moving,
        constraints,
        data,
        lowering.initial(start),
    )


@dataclass(slots=True)
class _Group:
    """Operators at one set of centres, collected first and made in one go."""

    number: int
    centres: np.ndarray
    operators: list[SpaceOperator]
    matrices: list[csr_matrix]
    jets: list[tuple[int, tuple[int, ...]]]

    def add(self, operator: SpaceOperator) -> int:
        for position, known in enumerate(self.operators):
            same = known.keys() == operator.keys()
            if same and all(np.array_equal(known[k], operator[k]) for k in known):
                return position
        self.operators.append(operator)
        return len(self.operators) - 1

    def jet(self, field: int, index: tuple[int, ...]) -> int:
        if (field, index) not in self.jets:
            self.jets.append((field, index))
            if any(index):
                self.add({index: 1.0})
        return self.jets.index((field, index))


@dataclass(slots=True)
class _Request:
    """One row, its matrices still numbers of operators in the group `centres`."""

    name: str
    field: int
    nodes: np.ndarray
    centres: _Group
    stiff: list[tuple[int, int]]
    stiff_moving: list[tuple[int, int, TimeFunction]]
    linear: list[tuple[int, int]]
    moving: list[tuple[int, TimeFunction]]
    jets: list[int]
    nonlinear: TimeFunction | None
    slopes: tuple[TimeFunction, ...]
    forcing: TimeFunction | None

    def explicit(self, groups: tuple[_Jets, ...]) -> _Explicit:
        del groups
        group = self.centres
        return _Explicit(
            self.field,
            self.nodes,
            tuple((f, group.matrices[k]) for f, k in self.linear),
            group.number,
            tuple(self.jets),
            self.nonlinear,
            self.slopes,
            tuple(self.moving),
            self.forcing,
            self.name,
        )


class _Lowering:
    """Rows to requests, requests to matrices."""

    def __init__(
        self, system: System, space: NodalSpace, values: Mapping[sympy.Symbol, float]
    ) -> None:
        self.system = system
        self.space = space
        self.values = values
        self.number = {name: i for i, name in enumerate(system.fields)}
        self.groups: dict[bytes, _Group] = {}

    def _group(self, nodes: np.ndarray) -> _Group:
        key = nodes.tobytes()
        if key not in self.groups:
            self.groups[key] = _Group(len(self.groups), nodes, [], [], [])
        return self.groups[key]

    def _places(self, nodes: np.ndarray, normals: np.ndarray | None = None) -> Places:
        return Places(self.space.points[nodes], normals)

    def _fixed(self, expression: sympy.Expr) -> bool:
        time = self.system.time_symbol
        return time is None or time not in expression.free_symbols

    def _function(
        self,
        expression: sympy.Expr,
        nodes: np.ndarray,
        symbols: Sequence[sympy.Symbol],
        source: ImexRow,
    ) -> TimeFunction:
        return make_time_function(
            expression, self.system, self._places(nodes), self.values, symbols, source.row
        )

    def request(self, row: ImexRow, nodes: np.ndarray) -> _Request:
        """What a row needs, its operators noted in the group of its nodes."""
        system, group = self.system, self._group(nodes)
        space = system.space
        result = _Request(
            row.row.name, self.number[row.field], nodes, group, [], [], [], [], [], None, (), None
        )
        fixed = [t for t in row.stiff if self._fixed(t.coefficient)]
        result.stiff = self._fused(fixed, nodes, group, row)
        for term in row.stiff:
            if not self._fixed(term.coefficient):
                index = system.space_orders(term.jet)
                function = self._function(term.coefficient, nodes, (), row)
                number = group.add({index: 1.0})
                result.stiff_moving.append((self.number[term.jet.field], number, function))
        fixed = [t for t in row.linear if self._fixed(t.coefficient)]
        result.linear = self._fused(fixed, nodes, group, row)
        for term in row.linear:
            if not self._fixed(term.coefficient):
                function = self._function(term.coefficient, nodes, (), row)
                result.moving.append((self._jet(group, term), function))
        if row.nonlinear != 0:
            jets = space.jets(row.nonlinear)
            symbols = [space.symbol(j) for j in jets]
            result.jets = [group.jet(self.number[j.field], system.space_orders(j)) for j in jets]
            result.nonlinear = self._function(row.nonlinear, nodes, symbols, row)
            result.slopes = tuple(
                self._function(sympy.diff(row.nonlinear, s), nodes, symbols, row) for s in symbols
            )
        if row.forcing != 0:
            result.forcing = self._function(row.forcing, nodes, (), row)
        return result

    def _jet(self, group: _Group, term: LinearTerm) -> int:
        return group.jet(self.number[term.jet.field], self.system.space_orders(term.jet))

    def _fused(
        self, terms: Sequence[LinearTerm], nodes: np.ndarray, group: _Group, row: ImexRow
    ) -> list[tuple[int, int]]:
        """Terms with coefficients that do not change, as one operator for each field."""
        coefficients = evaluate_at(
            [t.coefficient for t in terms], self.system, self._places(nodes), self.values, row.row
        )
        by_field: dict[int, dict[tuple[int, ...], float | np.ndarray]] = {}
        for term, coefficient in zip(terms, coefficients, strict=True):
            if np.any(coefficient):
                own = by_field.setdefault(self.number[term.jet.field], {})
                own[self.system.space_orders(term.jet)] = coefficient
        return [(f, group.add(operator)) for f, operator in by_field.items()]

    def build(self) -> tuple[_Jets, ...]:
        """Make the matrices of every group."""
        found = []
        for group in self.groups.values():
            group.matrices = _with_values(self.space, group.centres, group.operators)
            matrices = tuple(
                group.matrices[group.add({index: 1.0})] if any(index) else None
                for _, index in group.jets
            )
            found.append(_Jets(group.centres, tuple(f for f, _ in group.jets), matrices))
        return tuple(found)

    def matrix(self, group: _Group, number: int) -> csr_matrix:
        return group.matrices[number]

    # -- constraints and initial data ------------------------------------------------------

    def constraints(
        self, assignment: Assignment, differential: np.ndarray
    ) -> tuple[csr_matrix, tuple[tuple[np.ndarray, TimeFunction], ...]]:
        """B and g(t): a row for every algebraic value, at the place of that value."""
        system, space = self.system, self.space
        first, last = len(space.cloud.interior), len(space.cloud.evaluation)
        position = np.full(len(space.cloud.boundary), -1)
        position[assignment.ghosts] = last + np.arange(len(assignment.ghosts))
        count = len(space.points)
        blocks: list[tuple[int, int, tuple[np.ndarray, Any]]] = []
        data: list[tuple[np.ndarray, TimeFunction]] = []
        given = differential.copy()
        for row, fixes in zip(system.boundary, assignment.fixes, strict=True):
            for nodes, field, slot in fixes:
                normals = space.cloud.normals[nodes]
                places = self._places(first + nodes, normals)
                owner = first + nodes if slot == VALUE else position[nodes]
                assert slot in (VALUE, GHOST)
                given[field, owner] = True
                for f, matrix in self._boundary_matrices(row, first + nodes, places):
                    blocks.append((field, f, (owner, matrix)))
                function = make_time_function(-row.forcing, system, places, self.values, (), row)
                data.append((field * count + owner, function))
        for field, nodes in enumerate(assignment.loose):
            if not len(nodes):
                continue
            given[field, position[nodes]] = True
            blocks.append((field, field, (position[nodes], self._outside(position[nodes]))))
        for field in range(len(system.fields)):
            rest = np.flatnonzero(~given[field])  # values that no equation reads
            blocks.append((field, field, (rest, _selection(rest, count))))
        return _assemble(blocks, len(system.fields), count), tuple(data)

    def _boundary_matrices(
        self, row: Any, nodes: np.ndarray, places: Places
    ) -> list[tuple[int, csr_matrix]]:
        coefficients = evaluate_at(
            [t.coefficient for t in row.linear], self.system, places, self.values, row
        )
        by_field: dict[int, dict[tuple[int, ...], float | np.ndarray]] = {}
        for term, coefficient in zip(row.linear, coefficients, strict=True):
            if np.any(coefficient):
                own = by_field.setdefault(self.number[term.jet.field], {})
                own[self.system.space_orders(term.jet)] = coefficient
        made = _with_values(self.space, nodes, list(by_field.values()))
        return list(zip(by_field, made, strict=True))

    def _outside(self, ghosts: np.ndarray) -> csr_matrix:
        """Rows that set ghosts to what the nodes inside extrapolate to."""
        space = self.space
        weights = space.without_ghosts().interpolation(space.points[ghosts]).tocoo()
        shape = (len(ghosts), len(space.points))
        extrapolated = scipy.sparse.csr_matrix((weights.data, (weights.row, weights.col)), shape)
        return (_selection(ghosts, len(space.points)) - extrapolated).tocsr()

    def initial(self, start: float) -> np.ndarray:
        """Initial values at all nodes, the ghosts included."""
        system = self.system
        found = np.zeros((len(system.fields), len(self.space.points)))
        points = self.space.points
        places = Places(points, None, np.full(len(points), start))
        for row in system.initial:
            (term,) = (*row.mass, *row.linear)
            scale, forcing = evaluate_at(
                [term.coefficient, row.forcing], system, places, self.values, row
            )
            with np.errstate(all="ignore"):
                found[self.number[term.jet.field]] = -np.asarray(forcing) / scale
        if not np.all(np.isfinite(found)):
            raise SolverError(
                "the initial data are not finite at some nodes",
                code="E701",
                advice="check what the initial conditions are divided by",
            )
        return found.ravel()


def _with_values(
    space: NodalSpace, centres: np.ndarray, operators: Sequence[SpaceOperator]
) -> list[csr_matrix]:
    """Matrices of operators, of which terms without derivatives are taken exactly."""
    differential = [{k: c for k, c in o.items() if any(k)} for o in operators]
    needed = [o for o in differential if o]
    made = iter(space.operators(centres, needed))
    found = []
    for operator, rest in zip(operators, differential, strict=True):
        matrix: Any = next(made) if rest else None
        for index, coefficient in operator.items():
            if not any(index):
                scale = np.broadcast_to(np.asarray(coefficient, float), (len(centres),))
                values = scipy.sparse.diags_array(scale) @ _selection(centres, len(space.points))
                matrix = values if matrix is None else matrix + values
        if matrix is None:
            matrix = scipy.sparse.csr_matrix((len(centres), len(space.points)))
        found.append(scipy.sparse.csr_matrix(matrix))
    return found
