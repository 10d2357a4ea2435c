"""The partition of an evolution equation into stiff and nonstiff parts.

A row  Σ m_j u_j + (rest) = 0  is split into  mass + stiff + nonstiff = 0. Marks in the file
decide; without marks, the spatially highest linear terms of each row are stiff, if their order is
at least two, or if such terms of the row's field stand in the equation of another one.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import sympy

from pdesl.diagnostics import Diagnostic, ProblemError
from pdesl.ir.system import Row, System
from pdesl.symbolic.jets import JetSpace

__all__ = ["Splitting", "split", "stiff_mistakes"]


@dataclass(frozen=True, slots=True)
class Splitting:
    """One row's partition, as parts of its residual: mass + stiff + nonstiff = 0."""

    row: Row
    mass: sympy.Expr
    stiff: sympy.Expr
    nonstiff: sympy.Expr
    chosen_by: str


def split(system: System) -> tuple[Splitting, ...]:
    """The partition of every interior row of an evolution problem.

    Raises:
        ProblemError: a stiff part that is not linear (E316), or that holds a time derivative.
    """
    bound, multipliers = _bound_fields(system), system.multipliers
    return tuple(_split(system, row, bound, multipliers) for row in system.rows)


def _bound_fields(system: System) -> frozenset[str]:
    """Fields whose stiff derivatives stand in the equation of another field.

    In the evolution form of a wave equation, ∂t u = v and ∂t v = ∇²u, the stiffness lies in the
    two equations together, and a part of it alone is no use.
    """
    found: set[str] = set()
    for row in system.rows:
        own = {t.jet.field for t in row.mass}
        order = max((system.space_order(t.jet) for t in row.linear), default=0)
        if order >= 2 and row.stiff is None and row.mass:
            high = {t.jet.field for t in row.linear if system.space_order(t.jet) == order}
            found |= high - own
    return frozenset(found)


def _split(
    system: System, row: Row, bound: frozenset[str], multipliers: Collection[str]
) -> Splitting:
    space = system.space
    if not row.mass:
        return Splitting(
            row, sympy.S.Zero, sympy.Add(*(t.expression(space) for t in row.linear)),
            row.nonlinear + row.forcing, "holds at every moment",
        )  # fmt: skip
    mass = sympy.Add(*(t.expression(space) for t in row.mass))
    # A field that constraints determine only through the others' time derivatives, the pressure
    # of ∇·v = 0, has to be found together with the new values.
    tied = [t for t in row.linear if t.jet.field in multipliers]
    rest = sympy.Add(*(t.expression(space) for t in row.linear), row.nonlinear, row.forcing)
    if row.stiff is not None:
        stiff = row.stiff
        mistakes = stiff_mistakes(system, row)
        if mistakes:
            raise ProblemError(mistakes)
        marked = space.jets(stiff)
        stiff += sympy.Add(*(t.expression(space) for t in tied if t.jet not in marked))
        return Splitting(row, mass, stiff, _difference(row, stiff, space), "the file")
    order = max((system.space_order(t.jet) for t in row.linear), default=0)
    high = order >= 2 or bool({t.jet.field for t in row.mass} & bound)
    if not high and not tied:
        return Splitting(row, mass, sympy.S.Zero, rest, "the compiler: no linear term of order 2")
    chosen = [t for t in row.linear if t in tied or (high and system.space_order(t.jet) == order)]
    stiff = sympy.Add(*(t.expression(space) for t in chosen))
    others = sympy.Add(*(t.expression(space) for t in row.linear if t not in chosen))
    return Splitting(
        row, mass, stiff, others + row.nonlinear + row.forcing,
        "the compiler: " + _reason(order if high else 0, high, [t.jet.field for t in tied]),
    )  # fmt: skip


def _reason(order: int, high: bool, tied: Sequence[str]) -> str:
    """Why terms were chosen to be implicit."""
    words = f"the linear terms of order {order}" if high else ""
    if high and order < 2:
        words += ", since another equation makes them stiff"
    names = " and ".join(f"`{name}`" for name in dict.fromkeys(tied))
    both = " and " if words and names else ""
    return words + both + (f"those in {names}, which the constraints determine" if names else "")


def _difference(row: Row, stiff: sympy.Expr, space: JetSpace) -> sympy.Expr:
    """residual − mass − stiff, term by term, so that equal terms cancel."""
    total = row.residual - stiff
    for term in row.mass:
        total -= term.expression(space)
    return sympy.expand_mul(total)


def stiff_mistakes(system: System, row: Row) -> list[Diagnostic]:
    """Why the part of a row that the file marks as stiff cannot be treated implicitly (E316)."""
    space, stiff = system.space, row.stiff
    if stiff is None:
        return []
    messages: list[str] = []
    for jet in space.jets(stiff):
        if system.time_order(jet) >= max(system.order_in_time(jet.field), 1):
            messages.append("the stiff part holds a highest time derivative")
        elif space.jets(sympy.diff(stiff, space.symbol(jet))):
            messages.append(f"the stiff part is not linear in `{jet.field}`")
    marked = next(
        (span for part, span in row.equation.terms.items() if part.func.__name__ == "stiff"),
        row.equation.span,
    )
    helps = ("mark linear terms alone, and leave the rest in `nonstiff(…)`",)
    return [Diagnostic("E316", m, marked, helps=helps) for m in dict.fromkeys(messages)]
