"""Evolution form: every interior row becomes ∂t f + (no time derivative) = 0, row i for field i.

A problem of any order in time, whose equations hold the highest time derivatives linearly,

    Σ_j A_ij(x, t, jets) ∂t^{k_j} u_j + b_i(x, t, jets) = 0,

is solved for them, ∂t^k u = −A⁻¹ b, and the lower time derivatives become fields of their own,
∂t u = u_t, …, ∂t u_tt = −A⁻¹ b. A derivative that mixes time and space is one in space of such a
field. The highest derivatives may also stand under spatial derivatives, as long as they do so in
equations of other fields: they are replaced by the total derivatives of their own solution. A
field without any time derivative that its equation gives explicitly (a chemical potential) is
eliminated in the same way. Other fields without a time derivative (a pressure, a stream function)
can stay unknowns, with equations in space that hold at every moment: constraints.

Conditions follow: initial data are solved for the fields and their time derivatives, a boundary
condition on u alone is differentiated along t into one on u_t, and known solutions are extended.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import sympy

from pdesl.diagnostics import CapabilityError, Diagnostic, ProblemError
from pdesl.ir.facts import count_mistakes
from pdesl.ir.normalise import exact_jets, make_row, solution_diagnostic
from pdesl.ir.solving import JetSolver, Solved
from pdesl.ir.split import stiff_mistakes
from pdesl.ir.system import Row, System
from pdesl.symbolic.jets import Jet, JetSpace, NotDifferentiable, TooLarge, format_jet, replaced
from pdesl.symbolic.operators import ErasureError, Frame
from pdesl.symbolic.problem import Condition, Equation
from pdesl.symbolic.tidy import tidy

__all__ = ["to_evolution"]


def to_evolution(system: System, *, short: bool = True, constraints: bool = False) -> System:
    """A system of first order in time with the identity as its mass matrix.

    The fields of the result are those of the system (without the eliminated ones) in their
    order, then first, second, … time derivatives, named `u_t`, `u_tt`; `derivatives` says what
    they stand for. Every interior row has the one mass term 1 · ∂t f, row i for field i; every
    initial row is 1 · f − (formula in the coordinates) = 0 for one field. Boundary rows keep
    their order and are followed by the derived ones. `problem` stays the problem as stated.

    `short`: whether coefficients are brought to their shortest form (`tidy`), which a method needs
    that evaluates them often. It may take seconds for a metric, and changes nothing else.

    `constraints`: whether fields without a time derivative may stay unknowns, where they cannot be
    eliminated. They come last but for time derivatives, each with one of the equations that hold
    no time derivative as its row, a row without a mass term.

    Raises:
        CapabilityError: the problem is steady, or is no evolution equation for some field (E626),
            is nonlinear in a highest time derivative (E627), or needs an equation in space to be
            solved at every moment (E628); each at the term at fault.
        ProblemError: more or fewer equations than fields (E324, E325), a solution of too many
            terms (E306), initial conditions that do not fit (E406, E422), a stiff part that is
            not linear once solved (E316), data that jump in time (E606).
    """
    known = system._evolved  # pyright: ignore[reportPrivateUsage]
    if constraints not in known:
        known[constraints] = _evolved(system, constraints)
    found = known[constraints]
    if not short:
        return found
    return replace(found, rows=tuple(_tidied(row, found.space) for row in found.rows))


def _evolved(system: System, constraints: bool) -> System:
    axis = system.frame.time_axis
    if axis is None:
        first = system.rows[0].equation.span if system.rows else None
        raise CapabilityError(
            [Diagnostic("E626", "there is no time, so nothing evolves", first,
                        helps=("add `t ∈ [0, 1]` to `domain:` and a time derivative",))]
        )  # fmt: skip
    found = count_mistakes(system)
    if found:
        raise ProblemError(found)
    try:
        return _Reduction(system, axis, {}).result()
    except CapabilityError:
        if not constraints:
            raise
        for kept in _constraints(system):
            try:
                return _Reduction(system, axis, kept).result()
            except CapabilityError:
                continue
        raise


def _constraints(system: System) -> Iterable[dict[str, Row]]:
    """Fields that may stay unknowns, with their equations: few of them first, then all."""
    still = [f for f in system.fields if not system.order_in_time(f)]
    rows = [
        row for row in system.rows
        if not any(system.time_order(j) for j in row.jets(system.space))
    ]  # fmt: skip
    if not still or len(still) == len(system.fields) or len(rows) != len(still):
        return
    kept, left = list(still), list(rows)
    for name in still:
        explicit = next((r for r in left if _gives(system, r, name)), None)
        if explicit is not None:
            kept.remove(name)
            left.remove(explicit)
    for fields, equations in ((kept, left), (still, rows)):
        if fields:
            yield _paired(system, fields, equations)


def _gives(system: System, row: Row, name: str) -> bool:
    """Whether an equation is one for the values of a field, without derivatives of it."""
    jet = system.space.jet(name)
    own = [j for j in row.jets(system.space) if j.field == name]
    return own == [jet] and any(
        t.jet == jet and t.coefficient.is_nonzero and t.coefficient.is_number for t in row.linear
    )


def _paired(system: System, fields: Sequence[str], rows: Sequence[Row]) -> dict[str, Row]:
    """One of the rows for every field: the one that holds its highest derivative, where there is.

    A row obeys the conditions at the boundary of its field: it does not hold at nodes that they
    fix. To the matrix the order makes no difference.
    """
    found: dict[str, Row] = {}
    order = {
        (f, i): max(
            (system.space_order(j) for j in row.jets(system.space) if j.field == f), default=-1
        )
        for f in fields
        for i, row in enumerate(rows)
    }
    taken: set[int] = set()
    for name, i in sorted(order, key=lambda pair: -order[pair]):
        if name not in found and i not in taken:
            found[name] = rows[i]
            taken.add(i)
    return {name: found[name] for name in fields}


def _tidied(row: Row, space: JetSpace) -> Row:
    """A row with its coefficients in a short form, worked out together."""
    products = [
        term.as_independent(*map(space.symbol, space.jets(term)), as_Add=False)
        for term in sympy.Add.make_args(row.nonlinear)
    ]
    count = len(row.linear)
    short = tidy(*(t.coefficient for t in row.linear), *(c for c, _ in products), row.forcing)
    linear = tuple(
        replace(t, coefficient=c) for t, c in zip(row.linear, short[:count], strict=True)
    )
    pieces = zip(short[count:-1], products, strict=True)
    nonlinear = sympy.Add(*(c * e for c, (_, e) in pieces))
    found = replace(row, linear=linear, nonlinear=nonlinear, forcing=short[-1])
    return replace(found, residual=found.parts(space))


class _Reduction:
    """One run of the pass: the fields of the result, and how jets are renamed."""

    def __init__(self, system: System, axis: int, kept: Mapping[str, Row]):
        self.system, self.axis, self.kept = system, axis, kept
        self.space = system.space
        self.orders = {name: system.order_in_time(name) for name in system.fields}
        self.solver = JetSolver(system, self.orders)
        self.names: dict[tuple[str, int], str] = {}
        taken = {n for n, _ in self.space.fields} | {c.name for c in self.space.coordinates}
        taken |= {p.name for p in system.problem.parameters}
        for order in range(max(self.orders.values(), default=0)):
            for name in system.fields:
                if order < max(self.orders[name], name in kept):
                    own = name if order == 0 else self._name(name, order, taken)
                    taken.add(own)
                    self.names[name, order] = own
        places = dict(self.space.fields)
        self.target = JetSpace(
            self.space.coordinates,
            (
                *((own, places[name]) for (name, _), own in self.names.items()),
                *((name, own) for name, own in self.space.fields if name not in self.orders),
            ),
        )

    def _name(self, name: str, order: int, taken: set[str]) -> str:
        own = f"{name}_{self.space.coordinates[self.axis].name * order}"
        while own in taken:
            own += "_"
        return own

    # -- jets ------------------------------------------------------------------------------

    def time_order(self, jet: Jet) -> int:
        return jet.orders[self.axis]

    def highest(self, name: str) -> Jet:
        """∂t^k of a field of order k in time: what its equation is solved for."""
        return self.space.jet(name).raised(self.axis, self.orders[name])

    def renamed(self, expression: sympy.Expr) -> sympy.Expr:
        """An expression with time derivatives as fields of the result."""
        values: dict[sympy.Basic, sympy.Basic] = {}
        for jet in self.space.jets(expression):
            if jet.field in self.orders:
                order = self.time_order(jet)
                held = max(min(order, self.orders[jet.field] - 1), 0)
                orders = list(jet.orders)
                orders[self.axis] = order - held
                own = Jet(self.names[jet.field, held], tuple(orders))
                values[self.space.symbol(jet)] = self.target.symbol(own)
        return replaced(expression, values)

    # -- the parts of the result -----------------------------------------------------------

    def result(self) -> System:
        system = self.system
        given = [name for name in system.fields if name not in self.kept]
        unknown = [self.highest(name) for name in given]
        rows = [row for row in system.rows if row not in self.kept.values()]
        solved = self.solver.closed(self.solver.solve(rows, unknown), unknown)
        eliminated = {
            name: self.renamed(solved[jet].expression)
            for name, jet in zip(given, unknown, strict=True)
            if not self.orders[name]
        }
        replaced = {
            self.space.jet(name): solved[self.space.jet(name)] for name in eliminated
        }  # fmt: skip
        found = replace(
            system,
            frame=replace(system.frame, space=self.target),
            fields=tuple(self.names.values()),
            rows=tuple(
                self._constraint(key[0], replaced)
                if key[0] in self.kept
                else self._interior(key, solved)
                for key in self.names
            ),
            boundary=tuple(self._boundary(replaced)),
            initial=tuple(self._initial(replaced)),
            exact=self._exact(),
            derivatives=self._derivatives(),
            eliminated=dict(system.eliminated) | eliminated,
        )
        mistakes = [m for row in found.rows for m in stiff_mistakes(found, row)]
        if mistakes:
            raise ProblemError(mistakes)
        return found

    def _derivatives(self) -> dict[str, Jet]:
        found: dict[str, Jet] = dict(self.system.derivatives)
        for (name, order), own in self.names.items():
            base = found.get(name)
            if order:
                jet = self.space.jet(name) if base is None else base
                found[own] = jet.raised(self.axis, order)
        return found

    def _interior(self, key: tuple[str, int], solved: Mapping[Jet, Solved]) -> Row:
        name, order = key
        jet = self.space.jet(name).raised(self.axis, order + 1)
        if order + 1 < self.orders[name]:
            rest: sympy.Expr = -self.space.symbol(jet)
            own = Solved(self.space.symbol(jet), (), None)
        else:
            own = solved[self.highest(name)]
            rest = -own.expression
        rest = self.renamed(rest)
        mass = self.target.symbol(self.target.jet(self.names[key]).raised(self.axis))
        first = own.rows[0] if own.rows else self._row_of(name, solved)
        label = " and ".join(r.name for r in own.rows)
        label = label or f"definition of {self.names[name, order + 1]}"
        equation = Equation(
            self.target.applied(mass),
            self.target.applied(-rest),
            first.equation.terms,
            span=first.equation.span,
        )
        stiff = None if own.stiff is None else self.renamed(own.stiff)
        return make_row(label, "interior", equation, mass + rest, stiff, self._frame())

    def _constraint(self, name: str, replaced: Mapping[Jet, Solved]) -> Row:
        row = self.kept[name]
        residual = self.renamed(self._without(row, replaced))
        equation = Equation(
            self.target.applied(residual), sympy.S.Zero, row.equation.terms,
            span=row.equation.span,
        )  # fmt: skip
        return make_row(row.name, "interior", equation, residual, None, self._frame())

    def _row_of(self, name: str, solved: Mapping[Jet, Solved]) -> Row:
        return solved[self.highest(name)].rows[0]

    def _frame(self) -> Frame:
        return replace(self.system.frame, space=self.target)

    # -- conditions and known solutions ----------------------------------------------------

    def _without(self, row: Row, replaced: Mapping[Jet, Solved]) -> sympy.Expr:
        """A condition with eliminated fields in terms of the others."""
        values: dict[sympy.Basic, sympy.Basic] = {}
        for jet in row.jets(self.space):
            base = self.space.jet(jet.field)
            if base in replaced:
                values[self.space.symbol(jet)] = self.solver.prolonged(
                    replaced[base].expression, jet, base, row
                )
        return row.residual.xreplace(values)  # pyright: ignore[reportReturnType]

    def _boundary(self, replaced: Mapping[Jet, Solved]) -> Iterable[Row]:
        derived: list[Row] = []
        for row in self.system.boundary:
            residual = self._without(row, replaced)
            yield self._condition(row, row.name, residual)
            # D_t of a condition holds as well; it is one on the fields of the result for as
            # long as it holds no highest derivative.
            times = [
                self.orders[j.field] - 1 - self.time_order(j)
                for j in self.space.jets(residual)
                if j.field in self.orders
            ]
            for count in range(1, min(times, default=0) + 1):
                try:
                    residual = self.space.total_derivative(residual, self.axis)
                except (NotDifferentiable, TooLarge) as error:
                    raise ProblemError([self.solver.rough(error, row)]) from None
                along = f"∂{self.space.coordinates[self.axis].name}"
                power = "" if count == 1 else f"^{count}"
                derived.append(self._condition(row, f"{along}{power} of {row.name}", residual))
        yield from derived

    def _condition(self, row: Row, name: str, residual: sympy.Expr) -> Row:
        renamed = self.renamed(residual)
        given = row.equation
        equation = Condition(
            self.target.applied(renamed), sympy.S.Zero, given.terms, row.regions, span=given.span
        )
        return make_row(name, row.kind, equation, renamed, None, self._frame())

    def _initial(self, replaced: Mapping[Jet, Solved]) -> Iterable[Row]:
        """One row for each field of the result that has initial data."""
        rows = [
            make_row(r.name, r.kind, r.equation, self._without(r, replaced), None,
                     self.system.frame)
            for r in self.system.initial
        ]  # fmt: skip
        jets = {
            self.space.jet(name).raised(self.axis, order): own
            for (name, order), own in self.names.items()
        }
        held = {
            jet for row in rows for other in row.jets(self.space) for jet in jets
            if other.field == jet.field and self.time_order(other) == self.time_order(jet)
        }  # fmt: skip
        unknown = [jet for jet in jets if jet in held]
        if len(unknown) != len(rows):  # a condition too few or too many, which `verify` reports
            missing = ", ".join(
                f"`{format_jet(j, self.space.coordinates)}`" for j in unknown or jets
            )
            span = rows[0].equation.span if rows else None
            raise ProblemError([
                Diagnostic(
                    "E406" if len(rows) < len(unknown) else "E422",
                    f"{len(rows)} initial conditions for {missing}", span,
                    helps=("give each of them one condition at the start",),
                )
            ])  # fmt: skip
        solved = self.solver.closed(self.solver.solve(rows, unknown), unknown)
        for jet in unknown:
            own = solved[jet]
            target = self.target.symbol(self.target.jet(jets[jet]))
            equation = Condition(
                self.target.applied(target), own.expression, own.rows[0].equation.terms, (),
                span=own.rows[0].equation.span,
            )  # fmt: skip
            name = " and ".join(r.name for r in own.rows)
            yield make_row(
                name, "initial", equation, target - own.expression, None, self._frame()
            )  # fmt: skip

    def _exact(self) -> dict[str, sympy.Expr]:
        known = self.system.exact
        found: dict[str, sympy.Expr] = dict(known)
        for (name, order), own in self.names.items():
            if name in known and order:
                jet = self.space.jet(name).raised(self.axis, order)
                try:
                    found[own] = exact_jets(self.space.symbol(jet), self.space, known)
                except ErasureError as error:
                    first = self.system.rows[0].equation
                    raise ProblemError(
                        [solution_diagnostic(self.system.problem, error, first)]
                    ) from None
        return found
