"""A problem with something to learn, in evolution form: closures, unknown numbers, measured terms.

Closures stand in rows as jets of their own. Their inputs and the models of `fit:` are formulas in
the problem's fields; here they become formulas in jets of the evolution form, where a time
derivative is a field of its own and eliminated fields are replaced by what they stand for.
"""

from __future__ import annotations

from dataclasses import dataclass

import sympy

from pdesl.diagnostics import Diagnostic, ProblemError, Span
from pdesl.ir.frame import frame_of
from pdesl.ir.imex import ImexRow
from pdesl.ir.system import System
from pdesl.ir.text import format_expression
from pdesl.symbolic.jets import Jet, format_jet
from pdesl.symbolic.operators import ErasureError, erase
from pdesl.symbolic.problem import Problem, Unknown

__all__ = [
    "StiffPart",
    "diffusing_terms",
    "entering_factors",
    "evolved_expression",
    "separated",
    "stiff_parts",
    "unknown_symbols",
]


def unknown_symbols(problem: Problem) -> list[sympy.Symbol]:
    """The symbols of the unknown parameters, in the problem's order."""
    return [p.symbol for p in problem.parameters if isinstance(p.value, Unknown)]


def evolved_expression(
    expression: sympy.Expr, system: System, span: Span | None, what: str
) -> sympy.Expr:
    """A formula in the problem's fields as one in jets of its evolution form.

    Args:
        expression: in coordinates, parameters and applied fields.
        system: the problem in evolution form.
        span: where the formula stands.
        what: `the input of a closure` or `a model`, for messages.

    Raises:
        ProblemError: an operator without meaning there, or a time derivative that is no field of
            the evolution form (E642).
    """
    frame = frame_of(system.problem)
    try:
        erased = erase(expression, frame)
    except ErasureError as error:
        helps = (error.help or "write it in another way",)
        raise ProblemError([Diagnostic(error.code, error.message, span, helps=helps)]) from None
    axis = system.frame.time_axis
    values: dict[sympy.Basic, sympy.Basic] = {}
    for jet in frame.space.jets(erased):
        order = 0 if axis is None else jet.orders[axis]
        if jet.field in system.eliminated and not any(jet.orders):
            values[frame.space.symbol(jet)] = system.eliminated[jet.field]
            continue
        name = _stands_for(system, jet, order)
        if name is None:
            text = format_jet(jet, frame.space.coordinates)
            raise ProblemError(
                [
                    Diagnostic(
                        "E642",
                        f"{what} holds `{text}`, which the state of the system does not give",
                        span,
                        helps=("write it by the right-hand side of the equation",),
                    )
                ]
            )
        orders = list(jet.orders)
        if axis is not None:
            orders[axis] = 0
        values[frame.space.symbol(jet)] = system.space.symbol(Jet(name, tuple(orders)))
    return erased.xreplace(values)  # pyright: ignore[reportReturnType]


def _stands_for(system: System, jet: Jet, order: int) -> str | None:
    if order == 0:
        return jet.field if jet.field in (*system.fields, *system.closures) else None
    axis = system.frame.time_axis
    for name, derivative in system.derivatives.items():
        if derivative.field == jet.field and axis is not None and derivative.orders[axis] == order:
            return name
    return None


def entering_factors(system: System) -> set[str]:
    """The closures that enter an equation otherwise than as a sum c N with a number c."""
    space = system.space
    found: set[str] = set()
    for row in system.rows:
        for term in row.linear:
            if any(term.jet.orders) or not term.coefficient.is_number:
                found.add(term.jet.field)
        found |= {jet.field for jet in space.jets(row.nonlinear)}
    return found & set(system.closures)


def diffusing_terms(system: System) -> tuple[str, ...]:
    """Terms of ∂t u = … in which a closure multiplies a derivative of order two or more, as text.

    Where such a factor has the wrong sign, the shortest waves grow the fastest.
    """
    space = system.space
    found = []
    for row in system.rows:
        for term in sympy.Add.make_args(sympy.expand(row.nonlinear)):
            jets = space.jets(term)
            learned = any(j.field in system.closures for j in jets)
            if learned and any(
                j.field not in system.closures and system.space_order(j) >= 2 for j in jets
            ):
                found.append(format_expression(-term, system))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class StiffPart:
    """c(unknowns) · g(x) ∂^index of field `of` in the row of field `to`; c is 1 where known."""

    to: str
    of: str
    index: tuple[int, ...]
    factor: sympy.Expr
    place: sympy.Expr


def separated(
    expression: sympy.Expr, unknown: list[sympy.Symbol], others: set[sympy.Symbol]
) -> list[tuple[sympy.Expr, sympy.Expr]] | None:
    """Pairs (factor of the unknowns, rest) whose products sum to the expression, or None."""
    found: dict[sympy.Expr, list[sympy.Expr]] = {}
    for term in sympy.Add.make_args(sympy.expand(expression)):
        rest, own = term.as_independent(*unknown, as_Add=False)
        if own.free_symbols & others:
            return None
        found.setdefault(own, []).append(rest)
    return [(factor, sympy.Add(*parts)) for factor, parts in found.items()]


def stiff_parts(system: System, rows: tuple[ImexRow, ...]) -> tuple[StiffPart, ...]:
    """The implicit terms, with the factors that hold unknowns apart.

    Raises:
        ProblemError: a closure in the stiff part, a coefficient that changes in time, or one
            whose unknowns cannot be parted from the place (E643).
    """
    unknown = unknown_symbols(system.problem)
    time = {system.time_symbol} if system.time_symbol is not None else set()
    places = set(system.space_symbols)
    found: list[StiffPart] = []
    wrong: list[Diagnostic] = []
    for row in rows:
        for term in row.stiff:
            reason = ""
            pairs = None
            if term.jet.field in system.closures:
                reason = f"holds the closure `{term.jet.field}`"
            elif term.coefficient.free_symbols & time:
                reason = "has a coefficient that changes in time"
            else:
                pairs = separated(term.coefficient, unknown, places | time)
                if pairs is None:
                    reason = "has a coefficient whose unknowns are not factors of its terms"
            if pairs is None:
                wrong.append(
                    Diagnostic(
                        "E643",
                        f"the stiff part {reason}",
                        row.row.equation.span,
                        helps=("mark another part, `stiff(…) + nonstiff(…)`",),
                    )
                )
                continue
            index = system.space_orders(term.jet)
            found += [StiffPart(row.field, term.jet.field, index, c, g) for c, g in pairs]
    if wrong:
        raise ProblemError(dict.fromkeys(wrong))
    return tuple(found)
