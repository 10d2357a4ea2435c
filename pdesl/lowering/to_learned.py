"""From right-hand sides with unknowns and closures to a `LearnedSystem` and the tables of A(p)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
import scipy.sparse
import sympy

from pdesl.diagnostics import SolverError, Span
from pdesl.ir.fitting import StiffPart, evolved_expression, stiff_parts
from pdesl.ir.imex import ImexRow
from pdesl.ir.system import System
from pdesl.lowering.attention import Edges
from pdesl.lowering.conditions_at_nodes import GHOST, VALUE, Assignment
from pdesl.lowering.emit import evaluate_at
from pdesl.lowering.imex_nodal import NodalImex
from pdesl.lowering.learned import unknowns_of
from pdesl.lowering.learned_space import (
    GridJets,
    JetProvider,
    MatrixJets,
    PointJets,
    matrix_of,
)
from pdesl.lowering.learned_system import BoundaryData, LearnedSystem, Lift, Observation, RowGroup
from pdesl.lowering.learned_terms import TermFunction, make_terms
from pdesl.lowering.node_tables import read_tables
from pdesl.lowering.periodic_grid import PeriodicGrid
from pdesl.lowering.places import Places
from pdesl.lowering.space import GraphSpace, GridSpace, NodalSpace

__all__ = ["Lowered", "StiffTables", "on_grid", "on_nodes", "without_space"]

Index = tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class StiffTables:
    """A(p) = fixed + Σ_k c_k(p) terms[k], on the host.

    On a periodic grid a table is the symbol (F, F, *modes), else a sparse matrix (n, n).
    """

    fixed: Any
    terms: tuple[Any, ...]

    @property
    def is_zero(self) -> bool:
        if self.terms:
            return False
        fixed = self.fixed
        if fixed is None:
            return True
        return not (fixed.nnz if scipy.sparse.issparse(fixed) else np.any(fixed))


@dataclass(frozen=True, slots=True, eq=False)
class Lowered:
    """A learned system, its A, and where its values are.

    `points` (M, d) are the places of `LearnedSystem.places` (None without space); `grid` or
    `space` what they belong to; `grid_order` (M,) the place of every point of a tensor grid, last
    axis fastest, None where there is no such grid.
    """

    system: System
    learned: LearnedSystem
    stiff: StiffTables
    points: np.ndarray | None
    values: Mapping[sympy.Symbol, float]
    grid: PeriodicGrid | None = None
    space: NodalSpace | None = None
    grid_order: np.ndarray | None = None

    def observation(
        self, model: sympy.Expr, places: np.ndarray | None, span: Span | None
    ) -> Observation:
        """A model of measurements at places (P, d); None: at the points of the grid.

        Raises:
            ProblemError: a model with a time derivative of highest order (E642) or without
                numerical form (E327).
        """
        expression = evolved_expression(model, self.system, span, "a model")
        function = make_terms([expression], self.system, self.values, span)
        if self.points is None:
            return Observation(function, jnp.zeros((0, 1)), None)
        if places is None:
            order = self.grid_order
            assert order is not None
            places = self.points[order]
            same = np.array_equal(order, np.arange(len(order)))
            matrix = None if same else jnp.asarray(np.eye(len(order))[order])
        else:
            matrix = self._interpolation(places)
        return Observation(function, _columns(function, self.system, Places(places)), matrix)

    def _interpolation(self, places: np.ndarray) -> Any:
        assert self.points is not None
        if places.shape == self.points.shape and np.allclose(places, self.points, rtol=1e-12):
            return None
        if self.grid is not None:
            return jnp.asarray(trigonometric_interpolation(self.grid, places))
        assert self.space is not None
        return matrix_of(self.space.without_ghosts().interpolation(places))


def trigonometric_interpolation(grid: PeriodicGrid, places: np.ndarray) -> np.ndarray:
    """The matrix (P, N) from values on a periodic grid to those of its interpolant at places.

    Along every axis the weight of the point x_j is the mean of cos(k (x − x_j)) over the wave
    numbers k of the transform.
    """
    total = np.ones((len(places), 1))
    for axis, count in enumerate(grid.counts):
        period = float(grid.periods[axis])
        waves = 2 * np.pi * (np.arange(count) - count // 2)
        # cos(a − b) = cos a cos b + sin a sin b, so that the sums over k are products of matrices.
        here = np.outer((places[:, axis] - grid.lower[axis]) / period, waves)
        there = np.outer(np.arange(count) / count, waves)
        own = (np.cos(here) @ np.cos(there).T + np.sin(here) @ np.sin(there).T) / count
        total = (total[:, :, None] * own[:, None, :]).reshape(len(places), -1)
    return total


class _Lowering:
    """What the three kinds of states share."""

    def __init__(
        self, system: System, rows: Sequence[ImexRow], values: Mapping[sympy.Symbol, float],
        start: float, nodes: int | None = None,
    ) -> None:  # fmt: skip
        self.system, self.rows, self.values, self.start = system, tuple(rows), values, start
        self.parts = stiff_parts(system, self.rows)
        self.given = {} if nodes is None else read_tables(system.problem, nodes)
        self.inputs = [
            [evolved_expression(e, system, c.span, "the input of a closure") for e in c.inputs]
            for c in system.problem.learned_closures
        ]

    def explicit(self, row: ImexRow) -> list[sympy.Expr]:
        """The summands of a row that are treated explicitly."""
        terms = [t.expression(self.system.space) for t in row.linear]
        terms += [*sympy.Add.make_args(row.nonlinear), *sympy.Add.make_args(row.forcing)]
        return [t for t in terms if t != 0]

    def indices(self) -> set[Index]:
        """The spatial derivatives that any explicit term, closure or model may need."""
        system = self.system
        models = [
            evolved_expression(t.model, system, t.span, "a model") for t in system.problem.fit
            if t.model.free_symbols or t.model.args
        ]  # fmt: skip
        expressions = [e for row in self.rows for e in self.explicit(row)]
        expressions += [e for own in self.inputs for e in own] + models
        return {system.space_orders(j) for e in expressions for j in system.space.jets(e)}

    def factors(self) -> list[sympy.Expr]:
        return list(dict.fromkeys(p.factor for p in self.parts if p.factor.free_symbols))

    def build(
        self, provider: JetProvider, groups: Sequence[RowGroup], points: np.ndarray | None,
        **nodal: Any,
    ) -> LearnedSystem:  # fmt: skip
        system = self.system
        count = 1 if points is None else len(points)
        places = Places(np.zeros((1, 0)) if points is None else points)
        inputs = []
        closures = system.problem.learned_closures
        for closure, own in zip(closures, self.inputs, strict=True):
            function = make_terms(own, system, self.values, closure.span)
            inputs.append((function, _columns(function, system, places)))
        factors = self.factors()
        held = [e for row in self.rows for e in self.explicit(row)]
        held += [e for own in self.inputs for e in own]
        time = system.time_symbol
        autonomous = not any(time in e.free_symbols for e in held)
        autonomous = autonomous and not any(time in r.forcing.free_symbols for r in system.boundary)
        options: dict[str, Any] = {
            "lift": None, "keep": None, "moving_data": (), "fixed_data": None,
            "size": len(system.fields) * count, "edges": None,
        } | nodal  # fmt: skip
        assert system.frame.time_axis is not None
        return LearnedSystem(
            fields=system.fields,
            closures=tuple(c.name for c in closures),
            unknowns=unknowns_of(system.problem),
            provider=provider,
            groups=tuple(groups),
            inputs=tuple(inputs),
            given={n: jnp.asarray(v[None]) for n, v in self.given.items()},
            factors=make_terms(factors, system, self.values) if factors else None,
            start=self.initial(places),
            places=count,
            first_time=self.start,
            autonomous=autonomous,
            time_axis=system.frame.time_axis,
            **options,
        )

    def initial(self, places: Places) -> tuple[tuple[TermFunction, Any], ...]:
        """A formula for every field, or nothing where the file does not give them all."""
        found: dict[str, tuple[TermFunction, Any]] = {}
        system = self.system
        for row in system.initial:
            terms = (*row.mass, *row.linear)
            (term,) = (t for t in terms if t.jet.field not in system.closures)
            rest = (t.expression(system.space) for t in terms if t is not term)
            formula = -sympy.Add(row.nonlinear, row.forcing, *rest) / term.coefficient
            if system.time_symbol is not None:
                formula = formula.subs(system.time_symbol, self.start)
            function = make_terms([formula], system, self.values, row.equation.span)
            found[term.jet.field] = function, _columns(function, system, places)
        if set(found) != set(system.fields):
            return ()
        return tuple(found[name] for name in system.fields)

    def group(self, terms: Mapping[int, sympy.Expr], places: Places, *, fine: bool) -> RowGroup:
        span = self.rows[0].row.equation.span if self.rows else None
        function = make_terms(list(terms.values()), self.system, self.values, span)
        return RowGroup(function, _columns(function, self.system, places), tuple(terms), fine)


def _columns(function: TermFunction, system: System, places: Places) -> Any:
    known = {s.name: column for s, column in places.columns(system).items()}
    table = [known[name] for name in function.columns]
    return jnp.asarray(np.stack(table)) if table else jnp.zeros((0, len(places)))


def _sums(lowering: _Lowering) -> dict[int, sympy.Expr]:
    return {n: sympy.Add(*lowering.explicit(row)) for n, row in enumerate(lowering.rows)}


# -- without space -------------------------------------------------------------------------


def without_space(
    system: System, rows: Sequence[ImexRow], values: Mapping[sympy.Symbol, float], start: float
) -> Lowered:
    """Ordinary differential equations: one number for each field.

    Raises:
        ProblemError: see `ir.fitting`, and a part without numerical form (E327).
    """
    lowering = _Lowering(system, rows, values, start)
    places = Places(np.zeros((1, 0)))
    groups = [lowering.group(_sums(lowering), places, fine=False)]
    learned = lowering.build(PointJets(), groups, None)
    count = len(system.fields)

    def blocks(parts: Sequence[StiffPart]) -> Any:
        matrix = np.zeros((count, count))
        for part in parts:
            (size,) = evaluate_at([part.place], system, places, values)
            own = system.fields.index(part.to), system.fields.index(part.of)
            matrix[own] += float(np.asarray(size).ravel()[0])
        return scipy.sparse.csr_matrix(matrix)

    return Lowered(system, learned, _tables(lowering, blocks), None, values)


def _tables(lowering: _Lowering, make: Any) -> StiffTables:
    fixed = [p for p in lowering.parts if not p.factor.free_symbols]
    fixed = [
        StiffPart(p.to, p.of, p.index, sympy.S.One, p.factor * p.place) for p in fixed
    ]  # fmt: skip
    terms = [make([p for p in lowering.parts if p.factor == f]) for f in lowering.factors()]
    return StiffTables(make(fixed) if fixed or not terms else None, tuple(terms))


# -- on a periodic grid --------------------------------------------------------------------


def on_grid(
    system: System,
    rows: Sequence[ImexRow],
    grid: PeriodicGrid,
    values: Mapping[sympy.Symbol, float],
    start: float,
) -> Lowered:
    """A system on a periodic grid, all of whose stiff coefficients are constant in space.

    Products of jets are formed on the finer grid of Fourier's method; closures, and terms with
    them, on the grid itself, where they are learned.

    Raises:
        ProblemError: see `ir.fitting`, and a part without numerical form (E327).
    """
    lowering = _Lowering(system, rows, values, start)
    provider = GridJets.make(grid, sorted(lowering.indices()))
    coarse: dict[int, sympy.Expr] = {}
    fine: dict[int, sympy.Expr] = {}
    for number, row in enumerate(lowering.rows):
        for term in lowering.explicit(row):
            chosen = fine if grid.fine != grid.counts and _is_product(system, term) else coarse
            chosen[number] = chosen.get(number, sympy.S.Zero) + term
    points, finer = grid.points(), grid.points(grid.fine)
    groups = []
    if coarse:
        groups.append(lowering.group(coarse, Places(points), fine=False))
    if fine:
        groups.append(lowering.group(fine, Places(finer), fine=True))
    learned = lowering.build(provider, groups, points)
    count = len(system.fields)

    def symbols(parts: Sequence[StiffPart]) -> np.ndarray:
        table: Any = np.zeros((count, count, *grid.modes), dtype=complex)
        for part in parts:
            (size,) = evaluate_at([part.place], system, Places(points), values)
            own = system.fields.index(part.to), system.fields.index(part.of)
            table[own] += np.asarray(size).ravel()[0] * grid.symbol(part.index)
        return table if np.any(table.imag) else table.real.copy()

    return Lowered(
        system, learned, _tables(lowering, symbols), points, values, grid,
        grid_order=np.arange(len(points)),
    )  # fmt: skip


def _is_product(system: System, term: sympy.Expr) -> bool:
    """Whether a term multiplies jets, or a jet and a function of place, without closures."""
    jets = system.space.jets(term)
    if not jets or any(jet.field in system.closures for jet in jets):
        return False
    symbols = [system.space.symbol(jet) for jet in jets]
    if term.free_symbols & set(system.space_symbols):
        return True
    if not term.is_polynomial(*symbols):
        return True
    return sympy.Poly(term, *symbols).total_degree() > 1


# -- on nodes ------------------------------------------------------------------------------


def on_nodes(
    system: System,
    rows: Sequence[ImexRow],
    space: NodalSpace,
    assignment: Assignment,
    nodal: NodalImex,
    values: Mapping[sympy.Symbol, float],
    start: float,
) -> Lowered:
    """A system on nodes, its boundary conditions solved for the values that they fix.

    Args:
        nodal: the same system with the unknowns at their starts: gives the constraints.

    Raises:
        SolverError: E743, conditions that do not fix the values at the boundary.
        ProblemError: see `ir.fitting`, and a part without numerical form (E327).
    """
    graph = space.graph if isinstance(space, GraphSpace) else None
    edges = None if graph is None else Edges.of(graph)
    lowering = _Lowering(system, rows, values, start, None if graph is None else graph.nodes)
    evaluated, total = len(space.cloud.evaluation), len(space.points)
    own = np.arange(evaluated)
    indices = sorted(lowering.indices())
    needed = [i for i in dict.fromkeys([*indices, *(p.index for p in lowering.parts)]) if any(i)]
    made = dict(zip(needed, space.operators(own, [{i: 1.0} for i in needed]), strict=True))
    provider = MatrixJets({i: matrix_of(made[i]) for i in indices if any(i)}, evaluated)
    points = space.cloud.evaluation
    group = lowering.group(_sums(lowering), Places(points), fine=False)
    count = len(system.fields)
    held = np.flatnonzero(nodal.differential)
    rest = np.flatnonzero(~nodal.differential)
    lift, outside = _lift(lowering, space, assignment, nodal, held, rest)
    keep = (held // total) * evaluated + held % total
    every: Any = scipy.sparse.identity(total, format="csr")
    identity = every[:evaluated]

    def blocks(parts: Sequence[StiffPart]) -> Any:
        rows_of: list[list[Any]] = [[None] * count for _ in range(count)]
        for part in parts:
            (size,) = evaluate_at([part.place], system, Places(points), values)
            scale = np.broadcast_to(np.asarray(size, float), (evaluated,))
            base = made[part.index] if any(part.index) else identity
            block: Any = scipy.sparse.diags_array(scale) @ base
            a, b = system.fields.index(part.to), system.fields.index(part.of)
            rows_of[a][b] = block if rows_of[a][b] is None else rows_of[a][b] + block
        empty = scipy.sparse.csr_matrix((evaluated, total))
        filled = [[empty if b is None else b for b in row] for row in rows_of]
        whole: Any = scipy.sparse.bmat(filled, format="csr")
        return whole[keep]

    tables = _tables(lowering, blocks)

    def reduced(matrix: Any) -> Any:
        if matrix is None:
            return None
        return (matrix[:, held] + matrix[:, rest] @ outside).tocsr()

    def on_data(matrix: Any) -> Any:
        return None if matrix is None else matrix_of(matrix[:, rest])

    has_data = bool(lift.data)
    learned = lowering.build(
        provider, [group], points,
        lift=lift, keep=jnp.asarray(keep), size=len(held), edges=edges,
        fixed_data=on_data(tables.fixed) if has_data else None,
        moving_data=tuple(on_data(m) for m in tables.terms) if has_data else (),
    )  # fmt: skip
    stiff = StiffTables(reduced(tables.fixed), tuple(reduced(m) for m in tables.terms))
    order = None
    if isinstance(space, GridSpace):
        order = np.asarray(space.place)
    elif isinstance(space, GraphSpace):
        order = own
    return Lowered(system, learned, stiff, points, values, None, space, order)


def _lift(
    lowering: _Lowering, space: NodalSpace, assignment: Assignment, nodal: NodalImex,
    held: np.ndarray, rest: np.ndarray,
) -> tuple[Lift, Any]:  # fmt: skip
    """u_a = −B_aa⁻¹ B_ad u_d + B_aa⁻¹ g, from the constraints B u = g."""
    constraints: Any = nodal.constraints
    own = constraints[rest][:, rest].toarray()
    other = constraints[rest][:, held].toarray()
    try:
        solve = np.linalg.inv(own)
    except np.linalg.LinAlgError:
        solve = np.full_like(own, np.nan)
    if not np.all(np.isfinite(solve)):
        raise SolverError(
            "the boundary conditions do not fix the values at the boundary",
            code="E743",
            advice="check that every condition there holds a field of its own",
        )
    outside = -solve @ other
    outside[np.abs(outside) < 1e-15 * max(np.abs(outside).max(initial=0.0), 1e-300)] = 0.0
    sparse: Any = scipy.sparse.csr_matrix(outside)
    order = np.empty(len(held) + len(rest), dtype=int)
    order[held] = np.arange(len(held))
    order[rest] = len(held) + np.arange(len(rest))
    place = np.full(len(order), -1)
    place[rest] = np.arange(len(rest))
    data = tuple(_boundary_data(lowering, space, assignment, place))
    lift = Lift(matrix_of(sparse), matrix_of(scipy.sparse.csr_matrix(solve)), jnp.asarray(order),
                data, len(rest))  # fmt: skip
    return lift, sparse


def _boundary_data(
    lowering: _Lowering, space: NodalSpace, assignment: Assignment, place: np.ndarray
) -> Sequence[BoundaryData]:
    system = lowering.system
    first, last = len(space.cloud.interior), len(space.cloud.evaluation)
    total = len(space.points)
    ghost = np.full(len(space.cloud.boundary), -1)
    ghost[assignment.ghosts] = last + np.arange(len(assignment.ghosts))
    found = []
    for row, fixes in zip(system.boundary, assignment.fixes, strict=True):
        if row.forcing == 0:
            continue
        function = make_terms([-row.forcing], system, lowering.values, row.equation.span)
        for nodes, field, slot in fixes:
            assert slot in (VALUE, GHOST)
            owner = first + nodes if slot == VALUE else ghost[nodes]
            places = Places(space.points[first + nodes], space.cloud.normals[nodes])
            found.append(
                BoundaryData(
                    function, _columns(function, system, places),
                    jnp.asarray(place[field * total + owner]),
                )
            )  # fmt: skip
    return found
