"""Solving rows for chosen jets: linear elimination, then the derivatives of what was found.

The unknown jets stand linearly in as many rows; their spatial derivatives may stand in the rows as
well, and are replaced by the total derivatives of the solutions, as long as none needs itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

import sympy

from pdesl.diagnostics import CapabilityError, Diagnostic, ProblemError, Span
from pdesl.ir.elimination import MAXIMUM_COUPLED, Singular, TooCoupled, invert
from pdesl.ir.system import Row, System
from pdesl.symbolic.functions import vanishes
from pdesl.symbolic.jets import Jet, JetSpace, NotDifferentiable, TooLarge, format_jet
from pdesl.symbolic.operators import ErasureError, erase

__all__ = ["JetSolver", "Solved"]


@dataclass(frozen=True, slots=True)
class Solved:
    """An unknown jet as an expression, with the rows and the marked stiff part it comes from."""

    expression: sympy.Expr
    rows: tuple[Row, ...]
    stiff: sympy.Expr | None


@dataclass(frozen=True, slots=True)
class JetSolver:
    """Solves rows of a system for jets; `orders` are the orders in time of its fields."""

    system: System
    orders: Mapping[str, int]

    @property
    def space(self) -> JetSpace:
        return self.system.space

    def prolonged(self, expression: sympy.Expr, jet: Jet, base: Jet, row: Row) -> sympy.Expr:
        """The spatial derivatives of a solved jet `base` that lead to `jet`."""
        try:
            for axis, (order, own) in enumerate(zip(jet.orders, base.orders, strict=True)):
                for _ in range(order - own):
                    expression = self.space.total_derivative(expression, axis)
        except (NotDifferentiable, TooLarge) as error:
            raise ProblemError([self.rough(error, row)]) from None
        return expression

    def rough(self, error: Exception, row: Row) -> Diagnostic:
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

    def solve(self, rows: Iterable[Row], unknown: list[Jet]) -> dict[Jet, Solved]:
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
        found: dict[Jet, Solved] = {}
        for jet, line in zip(unknown, inverse, strict=True):
            used = [(b, i) for i, b in enumerate(line) if b != 0]
            expression = sympy.Add(*(-b * rest[i] for b, i in used))
            marks = [(b, rows[i].stiff) for b, i in used if rows[i].stiff is not None]
            stiff = sympy.Add(*(b * s for b, s in marks)) if marks else None  # type: ignore[operator]
            found[jet] = Solved(expression, tuple(rows[i] for _, i in used), stiff)
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
        held = any(self.system.time_order(j) for j in row.jets(self.space))
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

    def closed(self, solved: dict[Jet, Solved], unknown: list[Jet]) -> dict[Jet, Solved]:
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
        result: dict[Jet, Solved] = {}
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
                own = Solved(expression, own.rows, stiff)  # pyright: ignore[reportArgumentType]
            result[jet] = own
        return {jet: result[jet] for jet in unknown}

    def _leads(self, base: Jet, jet: Jet) -> bool:
        return all(a >= b for a, b in zip(jet.orders, base.orders, strict=True))

    def _implicit(self, solved: Mapping[Jet, Solved], cycle: list[Jet]) -> Diagnostic:
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
        clock = self.system.time_symbol
        more = (
            f"for `method_of_lines`, give what stands under ∂{clock} a field of its own: "
            f"`∂{clock}(u - ∂x²u) = …` is `∂{clock} m = …` with `m = u - ∂x²u`",
        ) if self.system.time_order(held[0]) else ()  # fmt: skip
        return Diagnostic(
            "E628", f"`{text}` makes this an equation in space for `{one.field}`, to be solved "
            "at every moment", self._place(row, held[0]),
            helps=("choose a method that solves all times at once, or solve the equation for its "
                   "highest time derivative by hand", *more),
        )  # fmt: skip
