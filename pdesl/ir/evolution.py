"""Evolution form: every interior row becomes ∂t f + (no time derivative) = 0, row i for field i.

A problem of any order in time, whose equations hold the highest time derivatives linearly,

    Σ_j A_ij(x, t, jets) ∂t^{k_j} u_j + b_i(x, t, jets) = 0,

is solved for them, ∂t^k u = −A⁻¹ b, and the lower time derivatives become fields of their own,
∂t u = u_t, …, ∂t u_tt = −A⁻¹ b. A derivative that mixes time and space is one in space of such a
field. The highest derivatives may also stand under spatial derivatives, as long as they do so in
equations of other fields: they are replaced by the total derivatives of their own solution. A
field without any time derivative that its equation gives explicitly (a chemical potential) is
eliminated in the same way.

Conditions follow: initial data are solved for the fields and their time derivatives, a boundary
condition on u alone is differentiated along t into one on u_t, and known solutions are extended.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from graphlib import CycleError, TopologicalSorter

import sympy

from pdesl.diagnostics import CapabilityError, Diagnostic, ProblemError, Span
from pdesl.ir.elimination import MAXIMUM_COUPLED, Singular, TooCoupled, invert
from pdesl.ir.facts import count_mistakes
from pdesl.ir.normalise import exact_jets, make_row, solution_diagnostic
from pdesl.ir.split import stiff_mistakes
from pdesl.ir.system import Row, System
from pdesl.symbolic.functions import vanishes
from pdesl.symbolic.jets import Jet, JetSpace, NotDifferentiable, TooLarge, format_jet
from pdesl.symbolic.operators import ErasureError, Frame, erase
from pdesl.symbolic.problem import Condition, Equation

__all__ = ["to_evolution"]


def to_evolution(system: System) -> System:
    """A system of first order in time with the identity as its mass matrix.

    The fields of the result are those of the system (without the eliminated ones) in their
    order, then first, second, … time derivatives, named `u_t`, `u_tt`; `derivatives` says what
    they stand for. Every interior row has the one mass term 1 · ∂t f, row i for field i; every
    initial row is 1 · f − (formula in the coordinates) = 0 for one field. Boundary rows keep
    their order and are followed by the derived ones. `problem` stays the problem as stated.

    Raises:
        CapabilityError: the problem is steady, or is no evolution equation for some field (E626),
            is nonlinear in a highest time derivative (E627), or needs an equation in space to be
            solved at every moment (E628); each at the term at fault.
        ProblemError: more or fewer equations than fields (E324, E325), a solution of too many
            terms (E306), initial conditions that do not fit (E406, E422), a stiff part that is
            not linear once solved (E316), data that jump in time (E606).
    """
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
    return _Reduction(system, axis).result()


@dataclass(frozen=True, slots=True)
class _Solved:
    """An unknown jet as an expression, with the rows and the marked stiff part it comes from."""

    expression: sympy.Expr
    rows: tuple[Row, ...]
    stiff: sympy.Expr | None


class _Reduction:
    """One run of the pass: the fields of the result, and how jets are renamed."""

    def __init__(self, system: System, axis: int):
        self.system, self.axis = system, axis
        self.space = system.space
        self.orders = {name: system.order_in_time(name) for name in system.fields}
        self.names: dict[tuple[str, int], str] = {}
        taken = {n for n, _ in self.space.fields} | {c.name for c in self.space.coordinates}
        taken |= {p.name for p in system.problem.parameters}
        for order in range(max(self.orders.values(), default=0)):
            for name in system.fields:
                if order < self.orders[name]:
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
                held = min(order, self.orders[jet.field] - 1)
                orders = list(jet.orders)
                orders[self.axis] = order - held
                own = Jet(self.names[jet.field, held], tuple(orders))
                values[self.space.symbol(jet)] = self.target.symbol(own)
        return expression.xreplace(values)  # pyright: ignore[reportReturnType]

    def applied(self, expression: sympy.Expr) -> sympy.Expr:
        """An expression in jets of the result as one in derivatives of applied fields."""
        values: dict[sympy.Basic, sympy.Basic] = {}
        places = dict(self.target.fields)
        coordinates = self.target.coordinates
        for jet in self.target.jets(expression):
            field: sympy.Expr = sympy.Function(jet.field)(
                *(coordinates[i] for i in places[jet.field])
            )  # type: ignore[assignment]
            counts = [(c, n) for c, n in zip(coordinates, jet.orders, strict=True) if n]
            values[self.target.symbol(jet)] = (
                sympy.Derivative(field, *counts, evaluate=False) if counts else field
            )
        return expression.xreplace(values)  # pyright: ignore[reportReturnType]

    def prolonged(self, expression: sympy.Expr, jet: Jet, base: Jet, row: Row) -> sympy.Expr:
        """The spatial derivatives of a solved jet `base` that lead to `jet`."""
        try:
            for axis, (order, own) in enumerate(zip(jet.orders, base.orders, strict=True)):
                for _ in range(order - own):
                    expression = self.space.total_derivative(expression, axis)
        except (NotDifferentiable, TooLarge) as error:
            raise ProblemError([self._rough(error, row)]) from None
        return expression

    def _rough(self, error: Exception, row: Row) -> Diagnostic:
        if isinstance(error, TooLarge):
            return Diagnostic(
                "E306", "with its derivatives worked out, this has too many terms",
                row.equation.span,
                helps=("introduce a field for a part of it, with an equation of its own",),
            )  # fmt: skip
        return Diagnostic(
            "E606", "the evolution form needs a derivative of this, and it holds a jump (or the "
            "slope of |·|, `min` or `max`)", row.equation.span,
            helps=("smooth it, `(1 + tanh(t/δ))/2` for a step",),
        )  # fmt: skip

    # -- the parts of the result -----------------------------------------------------------

    def result(self) -> System:
        system = self.system
        unknown = [self.highest(name) for name in system.fields]
        solved = self._closed(self._solve(system.rows, unknown), unknown)
        eliminated = {
            name: self.renamed(solved[jet].expression)
            for name, jet in zip(system.fields, unknown, strict=True)
            if not self.orders[name]
        }
        replaced = {
            self.space.jet(name): solved[self.space.jet(name)] for name in eliminated
        }  # fmt: skip
        found = replace(
            system,
            frame=replace(system.frame, space=self.target),
            fields=tuple(self.names.values()),
            rows=tuple(self._interior(key, solved) for key in self.names),
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

    def _interior(self, key: tuple[str, int], solved: Mapping[Jet, _Solved]) -> Row:
        name, order = key
        jet = self.space.jet(name).raised(self.axis, order + 1)
        if order + 1 < self.orders[name]:
            rest: sympy.Expr = -self.space.symbol(jet)
            own = _Solved(self.space.symbol(jet), (), None)
        else:
            own = solved[self.highest(name)]
            rest = -own.expression
        rest = self.renamed(rest)
        mass = self.target.symbol(self.target.jet(self.names[key]).raised(self.axis))
        first = own.rows[0] if own.rows else self._row_of(name, solved)
        label = " and ".join(r.name for r in own.rows)
        label = label or f"definition of {self.names[name, order + 1]}"
        equation = Equation(
            self.applied(mass), self.applied(-rest), first.equation.terms, span=first.equation.span
        )
        stiff = None if own.stiff is None else self.renamed(own.stiff)
        return make_row(label, "interior", equation, mass + rest, stiff, self._frame())

    def _row_of(self, name: str, solved: Mapping[Jet, _Solved]) -> Row:
        return solved[self.highest(name)].rows[0]

    def _frame(self) -> Frame:
        return replace(self.system.frame, space=self.target)

    # -- solving ---------------------------------------------------------------------------

    def _solve(self, rows: Iterable[Row], unknown: list[Jet]) -> dict[Jet, _Solved]:
        """The unknown jets from as many rows that hold them linearly."""
        rows = list(rows)
        zero = {self.space.symbol(j): sympy.S.Zero for j in unknown}
        matrix: list[list[sympy.Expr]] = []
        rest: list[sympy.Expr] = []
        for row in rows:
            known = {t.jet: t.coefficient for t in (*row.mass, *row.linear)}
            matrix.append([
                known.get(j, sympy.S.Zero) + self._slope(row, j, zero) for j in unknown
            ])  # fmt: skip
            parts = [
                t.coefficient * self.space.symbol(t.jet)
                for t in (*row.mass, *row.linear)
                if t.jet not in unknown
            ]
            rest.append(sympy.Add(*parts, row.nonlinear.xreplace(zero), row.forcing))  # pyright: ignore[reportArgumentType]
        try:
            inverse = invert(matrix)
        except Singular as error:
            raise CapabilityError([self._singular(error, rows, unknown)]) from None
        except TooCoupled as error:
            raise ProblemError([
                Diagnostic(
                    "E306", f"this couples more than {MAXIMUM_COUPLED} time derivatives with "
                    "coefficients that vary", rows[error.rows[0]].equation.span,
                    helps=("solve the equations for the time derivatives by hand",),
                )
            ]) from None  # fmt: skip
        found: dict[Jet, _Solved] = {}
        for jet, line in zip(unknown, inverse, strict=True):
            used = [(b, i) for i, b in enumerate(line) if b != 0]
            expression = sympy.Add(*(-b * rest[i] for b, i in used))
            marks = [(b, rows[i].stiff) for b, i in used if rows[i].stiff is not None]
            stiff = sympy.Add(*(b * s for b, s in marks)) if marks else None  # type: ignore[operator]
            found[jet] = _Solved(expression, tuple(rows[i] for _, i in used), stiff)
        return found

    def _slope(
        self, row: Row, jet: Jet, zero: Mapping[sympy.Symbol, sympy.Expr]
    ) -> sympy.Expr:  # fmt: skip
        """What the nonlinear part of a row adds to the coefficient of an unknown jet."""
        symbol = self.space.symbol(jet)
        if not row.nonlinear.has(symbol):
            return sympy.S.Zero
        slope = sympy.diff(row.nonlinear, symbol)
        if any(slope.has(s) and not vanishes(sympy.diff(slope, s)) for s in zero):
            text = format_jet(jet, self.space.coordinates)
            raise CapabilityError([
                Diagnostic(
                    "E627", f"this holds `{text}` nonlinearly, so it cannot be solved for it",
                    self._place(row, jet),
                    helps=("solve the equation for the highest time derivative by hand",),
                )
            ])  # fmt: skip
        return slope.xreplace(dict(zero))  # pyright: ignore[reportReturnType]

    def _singular(self, error: Singular, rows: list[Row], unknown: list[Jet]) -> Diagnostic:
        """The message of equations that do not give the derivatives that they should."""
        fields = [unknown[j].field for j in error.columns]
        bare = [f for f in fields or self.system.fields if not self.orders[f]]
        named = ", ".join(f"`{f}`" for f in bare or fields or self.system.fields)
        row = rows[error.rows[0]] if error.rows else self._row_with(fields[0], rows)
        steady = f"no equation gives a time derivative of {named}"
        coupled = f"the equations do not determine the highest time derivatives of {named}"
        held = any(self.time_order(j) for j in row.jets(self.space))
        return Diagnostic(
            "E626", f"this is no evolution equation for {named}: "
            + (steady if bare else coupled),
            row.equation.span,
            label="" if held else "this holds no time derivative",
            helps=("give every field an equation with its time derivative, or choose a method "
                   "that solves all times at once",),
        )  # fmt: skip

    def _row_with(self, name: str, rows: list[Row]) -> Row:
        held = (r for r in rows if any(j.field == name for j in r.jets(self.space)))
        return next(held, rows[0])

    def _place(self, row: Row, jet: Jet) -> Span | None:
        """The smallest part of an equation that was written and that holds a jet."""
        best = row.equation.span
        length = None if best is None else best.end - best.start
        for part, span in row.equation.terms.items():
            size = span.end - span.start
            if length is not None and size >= length:
                continue
            try:
                if erase(part, self.system.frame).has(self.space.symbol(jet)):
                    best, length = span, size
            except ErasureError:
                continue
        return best

    def _closed(self, solved: dict[Jet, _Solved], unknown: list[Jet]) -> dict[Jet, _Solved]:
        """Solved jets without spatial derivatives of one another."""

        def needs(jet: Jet) -> dict[Jet, Jet]:
            found: dict[Jet, Jet] = {}
            for other in self.space.jets(solved[jet].expression):
                for base in unknown:
                    if other.field == base.field and self._leads(base, other):
                        found[other] = base
            return found

        graph = {jet: set(needs(jet).values()) for jet in unknown}
        try:
            order = list(TopologicalSorter(graph).static_order())
        except CycleError as error:
            cycle: list[Jet] = list(error.args[1])
            raise CapabilityError([self._implicit(solved, cycle)]) from None
        result: dict[Jet, _Solved] = {}
        for jet in order:
            own = solved[jet]
            values: dict[sympy.Basic, sympy.Basic] = {}
            rows = list(own.rows)
            for other, base in needs(jet).items():
                first = own.rows[0]
                value = self.prolonged(result[base].expression, other, base, first)
                values[self.space.symbol(other)] = value
                rows += [r for r in result[base].rows if r not in rows]
            if values:
                stiff = None if own.stiff is None else own.stiff.xreplace(values)
                expression = own.expression.xreplace(values)
                own = _Solved(expression, own.rows, stiff)  # pyright: ignore[reportArgumentType]
            result[jet] = own
        return {jet: result[jet] for jet in unknown}

    def _leads(self, base: Jet, jet: Jet) -> bool:
        return all(a >= b for a, b in zip(jet.orders, base.orders, strict=True))

    def _implicit(self, solved: Mapping[Jet, _Solved], cycle: list[Jet]) -> Diagnostic:
        # The cycle is listed against the direction of the needs.
        base, jet = cycle[0], cycle[1] if len(cycle) > 1 else cycle[0]
        for one, other in ((jet, base), (base, jet)):
            own = solved[one]
            held = [
                j for j in self.space.jets(own.expression)
                if j.field == other.field and self._leads(other, j)
            ]  # fmt: skip
            if held:
                break
        else:
            held = [base]
        text = format_jet(held[0], self.space.coordinates)
        row = next((r for r in own.rows if held[0] in r.jets(self.space)), own.rows[0])
        return Diagnostic(
            "E628", f"`{text}` makes this an equation in space for `{one.field}`, to be solved "
            "at every moment", self._place(row, held[0]),
            helps=("choose a method that solves all times at once, or solve the equation for its "
                   "highest time derivative by hand",),
        )  # fmt: skip

    # -- conditions and known solutions ----------------------------------------------------

    def _without(self, row: Row, replaced: Mapping[Jet, _Solved]) -> sympy.Expr:
        """A condition with eliminated fields in terms of the others."""
        values: dict[sympy.Basic, sympy.Basic] = {}
        for jet in row.jets(self.space):
            base = self.space.jet(jet.field)
            if base in replaced:
                values[self.space.symbol(jet)] = self.prolonged(
                    replaced[base].expression, jet, base, row
                )
        return row.residual.xreplace(values)  # pyright: ignore[reportReturnType]

    def _boundary(self, replaced: Mapping[Jet, _Solved]) -> Iterable[Row]:
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
                    raise ProblemError([self._rough(error, row)]) from None
                along = f"∂{self.space.coordinates[self.axis].name}"
                power = "" if count == 1 else f"^{count}"
                derived.append(self._condition(row, f"{along}{power} of {row.name}", residual))
        yield from derived

    def _condition(self, row: Row, name: str, residual: sympy.Expr) -> Row:
        renamed = self.renamed(residual)
        given = row.equation
        equation = Condition(
            self.applied(renamed), sympy.S.Zero, given.terms, row.regions, span=given.span
        )
        return make_row(name, row.kind, equation, renamed, None, self._frame())

    def _initial(self, replaced: Mapping[Jet, _Solved]) -> Iterable[Row]:
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
        solved = self._closed(self._solve(rows, unknown), unknown)
        for jet in unknown:
            own = solved[jet]
            target = self.target.symbol(self.target.jet(jets[jet]))
            equation = Condition(
                self.applied(target), own.expression, own.rows[0].equation.terms, (),
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
