"""From right-hand sides to a semi-discrete system on nodes: rows, conditions, initial data.

For each field, the terms with coefficients that do not change in time are fused into one matrix;
operators at one set of centres are made together.
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
from pdesl.lowering.imex_nodal import ExplicitRow, Jets, NodalImex, assemble, selection
from pdesl.lowering.node_tables import read_tables
from pdesl.lowering.places import Places
from pdesl.lowering.space import GraphSpace, NodalSpace, RbfSpace, SpaceOperator
from pdesl.lowering.time_functions import TimeFunction, make_time_function
from pdesl.symbolic.jets import Jet

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

__all__ = ["to_nodal_imex"]


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
    graph = isinstance(space, GraphSpace)
    given = read_tables(system.problem, space.graph.nodes) if graph else {}
    lowering = _Lowering(system, space, values, given)
    first = len(space.cloud.interior)
    nodes = [np.concatenate([np.arange(first), first + free]) for free in assignment.free]
    multipliers = [f for f, name in enumerate(system.fields) if name in system.multipliers]
    for f in multipliers:
        nodes[f] = np.arange(first)
    differential = np.zeros((len(system.fields), len(space.points)), dtype=bool)
    for f, own in enumerate(nodes):
        differential[f, own] = True
    constrained = [f for f, row in enumerate(rows) if row.is_constraint]
    differential[constrained] = False
    every = [lowering.request(row, nodes[f]) for f, row in enumerate(rows)]
    requests = [request for request in every if request.field not in constrained]
    ties = [request for request in every if request.field in constrained]
    bent = lowering.bent_conditions(assignment)
    groups = lowering.build()
    explicit = tuple(request.explicit() for request in requests)
    blocks = [
        (r.field, field, (r.nodes, lowering.matrix(r.centres, number)))
        for r in requests
        for field, number in r.stiff
    ]
    moving = tuple(
        (
            assemble(
                [(r.field, field, (r.nodes, lowering.matrix(r.centres, number)))],
                len(system.fields), len(space.points),
            ),
            r.field * len(space.points) + r.nodes,
            coefficient,
        )
        for r in requests
        for field, number, coefficient in r.stiff_moving
    )  # fmt: skip
    constraints, data = lowering.constraints(assignment, differential, ties)
    return NodalImex(
        space,
        system.fields,
        differential.ravel(),
        groups,
        explicit,
        assemble(blocks, len(system.fields), len(space.points)),
        moving,
        constraints,
        data,
        lowering.initial(start),
        np.array(list(given.values())).reshape(len(given), len(space.points)),
        tuple(r.explicit() for r in (*ties, *bent) if r.moving or r.nonlinear is not None),
        tuple(multipliers),
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

    def explicit(self) -> ExplicitRow:
        group = self.centres
        return ExplicitRow(
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
        self, system: System, space: NodalSpace, values: Mapping[sympy.Symbol, float],
        given: Mapping[str, np.ndarray],
    ) -> None:  # fmt: skip
        self.system = system
        self.given = given
        self.space = space
        self.values = values
        self.number = {name: i for i, name in enumerate((*system.fields, *given))}
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
        places: Places,
        symbols: Sequence[sympy.Symbol],
        source: ImexRow,
    ) -> TimeFunction:
        return make_time_function(expression, self.system, places, self.values, symbols, source.row)

    def request(self, row: ImexRow, nodes: np.ndarray) -> _Request:
        """What a row needs, its operators noted in the group of its nodes."""
        return self._request(row, nodes, self._places(nodes), nodes)

    def bent_conditions(self, assignment: Assignment) -> list[_Request]:
        """The same of what is not linear in conditions at the boundary, or changes in time."""
        first, found = len(self.space.cloud.interior), []
        for row, fixes in zip(self.system.boundary, assignment.fixes, strict=True):
            moving = tuple(t for t in row.linear if not self._fixed(t.coefficient))
            if not moving and row.nonlinear == 0:
                continue
            for nodes, field, slot in fixes:
                part = ImexRow(
                    row, self.system.fields[field], (), moving, row.nonlinear, sympy.S.Zero, ""
                )
                places = self._places(first + nodes, self.space.cloud.normals[nodes])
                owner = self._owner(assignment, nodes, slot)
                found.append(self._request(part, first + nodes, places, owner))
        return found

    def _owner(self, assignment: Assignment, nodes: np.ndarray, slot: int) -> np.ndarray:
        """Where the values are that a condition fixes: at boundary nodes or at their ghosts."""
        cloud = self.space.cloud
        if slot == VALUE:
            return len(cloud.interior) + nodes
        assert slot == GHOST
        position = np.full(len(cloud.boundary), -1)
        position[assignment.ghosts] = len(cloud.evaluation) + np.arange(len(assignment.ghosts))
        return position[nodes]

    def _request(
        self, row: ImexRow, nodes: np.ndarray, places: Places, owner: np.ndarray
    ) -> _Request:
        system, group = self.system, self._group(nodes)
        space = system.space
        result = _Request(
            row.row.name, self.number[row.field], owner, group, [], [], [], [], [], None, (), None
        )
        fixed = [t for t in row.stiff if self._fixed(t.coefficient)]
        result.stiff = self._fused(fixed, nodes, group, row)
        for term in row.stiff:
            if not self._fixed(term.coefficient):
                index = system.space_orders(term.jet)
                function = self._function(term.coefficient, places, (), row)
                number = group.add({index: 1.0})
                result.stiff_moving.append((self.number[term.jet.field], number, function))
        fixed = [t for t in row.linear if self._fixed(t.coefficient)]
        result.linear = self._fused(fixed, nodes, group, row)
        for term in row.linear:
            if not self._fixed(term.coefficient):
                function = self._function(term.coefficient, places, (), row)
                result.moving.append((self._jet(group, term), function))
        if row.nonlinear != 0:
            jets = space.jets(row.nonlinear)
            symbols = [space.symbol(j) for j in jets]
            result.jets = [group.jet(self.number[j.field], system.space_orders(j)) for j in jets]
            result.nonlinear = self._function(row.nonlinear, places, symbols, row)
            result.slopes = tuple(
                self._function(sympy.diff(row.nonlinear, s), places, symbols, row) for s in symbols
            )
        if row.forcing != 0:
            result.forcing = self._function(row.forcing, places, (), row)
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

    def build(self) -> tuple[Jets, ...]:
        """Make the matrices of every group."""
        found = []
        for group in self.groups.values():
            group.matrices = _with_values(self.space, group.centres, group.operators)
            matrices = tuple(
                group.matrices[group.add({index: 1.0})] if any(index) else None
                for _, index in group.jets
            )
            found.append(Jets(group.centres, tuple(f for f, _ in group.jets), matrices))
        return tuple(found)

    def matrix(self, group: _Group, number: int) -> csr_matrix:
        return group.matrices[number]

    # -- constraints and initial data ------------------------------------------------------

    def constraints(
        self, assignment: Assignment, differential: np.ndarray, ties: Sequence[_Request]
    ) -> tuple[csr_matrix, tuple[tuple[np.ndarray, TimeFunction], ...]]:
        """B and g(t): a row for every algebraic value, at the place of that value.

        `ties` are the equations in space that hold at every moment.
        """
        system, space = self.system, self.space
        first = len(space.cloud.interior)
        count = len(space.points)
        blocks: list[tuple[int, int, tuple[np.ndarray, Any]]] = []
        data: list[tuple[np.ndarray, TimeFunction]] = []
        given = differential.copy()
        for tie in ties:
            given[tie.field, tie.nodes] = True
            blocks += [
                (tie.field, f, (tie.nodes, self.matrix(tie.centres, n))) for f, n in tie.stiff
            ]
            if tie.forcing is not None:
                own = tie.forcing
                function = TimeFunction(lambda t, own=own: -own(t))
                data.append((tie.field * count + tie.nodes, function))
        for row, fixes in zip(system.boundary, assignment.fixes, strict=True):
            for nodes, field, slot in fixes:
                normals = space.cloud.normals[nodes]
                places = self._places(first + nodes, normals)
                owner = self._owner(assignment, nodes, slot)
                given[field, owner] = True
                for f, matrix in self._boundary_matrices(row, first + nodes, places):
                    blocks.append((field, f, (owner, matrix)))
                function = make_time_function(-row.forcing, system, places, self.values, (), row)
                data.append((field * count + owner, function))
        for field, nodes in enumerate(assignment.loose):
            if not len(nodes):
                continue
            ghosts = self._owner(assignment, nodes, GHOST)
            given[field, ghosts] = True
            blocks.append((field, field, (ghosts, self._outside(ghosts))))
        # A multiplier lives at interior nodes, or the constraint would hold at one node too many:
        # it would have modes that no equation sees, and that grow (the space P_N − P_{N−2} of
        # C. Bernardi and Y. Maday, Int. J. Numer. Methods Fluids 8, 1988).
        if isinstance(space, RbfSpace):
            for field, name in enumerate(system.fields):
                outer = first + assignment.free[field]
                if name in system.multipliers and len(outer):
                    given[field, outer] = True
                    own = selection(outer, count) - space.from_inside(space.points[outer])
                    blocks.append((field, field, (outer, own)))
        for field in range(len(system.fields)):
            rest = np.flatnonzero(~given[field])  # values that no equation reads
            blocks.append((field, field, (rest, selection(rest, count))))
        return assemble(blocks, len(system.fields), count), tuple(data)

    def _boundary_matrices(
        self, row: Any, nodes: np.ndarray, places: Places
    ) -> list[tuple[int, csr_matrix]]:
        fixed = [t for t in row.linear if self._fixed(t.coefficient)]
        coefficients = evaluate_at(
            [t.coefficient for t in fixed], self.system, places, self.values, row
        )
        by_field: dict[int, dict[tuple[int, ...], float | np.ndarray]] = {}
        for term, coefficient in zip(fixed, coefficients, strict=True):
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
        return (selection(ghosts, len(space.points)) - extrapolated).tocsr()

    def initial(self, start: float) -> np.ndarray:
        """Initial values at all nodes, the ghosts included."""
        system = self.system
        found = np.zeros((len(system.fields), len(self.space.points)))
        points = self.space.points
        places = Places(points, None, np.full(len(points), start))
        for row in system.initial:
            terms = (*row.mass, *row.linear)
            (term,) = (t for t in terms if t.jet.field not in self.given)
            rest = sympy.Add(*(t.expression(system.space) for t in terms if t is not term))
            formula = -(rest + row.nonlinear + row.forcing) / term.coefficient
            jets = system.space.jets(formula)
            symbols = [system.space.symbol(jet) for jet in jets]
            function = make_time_function(formula, system, places, self.values, symbols, row)
            found[self.number[term.jet.field]] = function(start, *map(self._known, jets))
        if not np.all(np.isfinite(found)):
            raise SolverError(
                "the initial data are not finite at some nodes",
                code="E701",
                advice="check what the initial conditions are divided by",
            )
        return found.ravel()

    def _known(self, jet: Jet) -> np.ndarray:
        """A jet of given values at all nodes."""
        index, own = self.system.space_orders(jet), self.given[jet.field]
        if not any(index):
            return own
        (matrix,) = self.space.operators(np.arange(len(own)), [{index: 1.0}])
        return matrix @ own


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
                values = scipy.sparse.diags_array(scale) @ selection(centres, len(space.points))
                matrix = values if matrix is None else matrix + values
        if matrix is None:
            matrix = scipy.sparse.csr_matrix((len(centres), len(space.points)))
        found.append(scipy.sparse.csr_matrix(matrix))
    return found
