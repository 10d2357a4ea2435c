"""An evolution system as right-hand sides: ∂t u = stiff linear terms + the rest, for time stepping.

A row  ∂t u + stiff + nonstiff = 0  of the evolution form (see `evolution` and `split`) is turned
round, and each part is taken apart:

    ∂t u  =  Σ s_j u_j  +  Σ a_j u_j  +  N(x, t, jets)  +  f(x, t)
             stiff         linear        nonlinear         forcing

Only the sum over j of s_j u_j is treated implicitly by an IMEX method. The row of a constrained
field has no ∂t u: its parts add up to zero, the stiff ones with coefficients that stay in time.
"""

from __future__ import annotations

from dataclasses import dataclass

import sympy

from pdesl.diagnostics import Diagnostic, Span
from pdesl.ir.split import Splitting, split
from pdesl.ir.system import LinearTerm, Row, System
from pdesl.symbolic.jets import Jet

__all__ = ["ImexRow", "imex_mistakes", "is_bent", "neat", "stiff_terms", "to_imex"]


@dataclass(frozen=True, slots=True)
class ImexRow:
    """The right-hand side of one field's equation; every part is of ∂t u = …, signs included."""

    row: Row
    field: str
    stiff: tuple[LinearTerm, ...]
    linear: tuple[LinearTerm, ...]
    nonlinear: sympy.Expr
    forcing: sympy.Expr
    chosen_by: str

    @property
    def is_constraint(self) -> bool:
        """Whether the parts add up to zero, and not to ∂t u."""
        return not self.row.mass

    def expression(self, system: System) -> sympy.Expr:
        """The sum of all parts."""
        terms = (t.expression(system.space) for t in (*self.stiff, *self.linear))
        return sympy.Add(*terms, self.nonlinear, self.forcing)


def to_imex(system: System) -> tuple[ImexRow, ...]:
    """The right-hand side of every field, in the order of the fields.

    `system` is in evolution form (`ir.evolution.to_evolution`).

    Raises:
        ProblemError: a stiff part that is not linear (E316).
    """
    return tuple(
        _right_hand_side(system, part) if part.row.mass else _constraint(system, name, part)
        for name, part in zip(system.fields, split(system), strict=True)
    )


def _constraint(system: System, name: str, part: Splitting) -> ImexRow:
    row, time = part.row, system.time_symbol
    fixed = [time not in t.coefficient.free_symbols for t in row.linear]
    return ImexRow(
        row,
        name,
        tuple(t for t, own in zip(row.linear, fixed, strict=True) if own),
        tuple(t for t, own in zip(row.linear, fixed, strict=True) if not own),
        row.nonlinear,
        row.forcing,
        part.chosen_by,
    )


def stiff_terms(system: System, part: Splitting) -> list[LinearTerm]:
    """The stiff terms of a right-hand side, or of a constraint, with coefficients as they come."""
    if not part.row.mass:
        return list(part.row.linear)
    (mass,) = part.row.mass
    factor = -sympy.S.One / mass.coefficient
    return [LinearTerm(factor * slope, j) for j, slope in _slopes(system, part).items()]


def _slopes(system: System, part: Splitting) -> dict[Jet, sympy.Expr]:
    """The coefficients of the stiff part, on the side of the time derivative."""
    space = system.space
    if part.row.stiff is None:
        known = {t.jet: t.coefficient for t in part.row.linear}
        return {j: known[j] for j in space.jets(part.stiff)}
    return {j: sympy.diff(part.stiff, space.symbol(j)) for j in space.jets(part.stiff)}


def _right_hand_side(system: System, part: Splitting) -> ImexRow:
    row, space = part.row, system.space
    (mass,) = row.mass
    factor = -sympy.S.One / mass.coefficient
    slopes = _slopes(system, part)
    zero = {space.symbol(j): sympy.S.Zero for j in slopes}
    # What stiff(…) holds without a field is no part of a matrix.
    forcing = row.forcing
    rest = {t.jet: t.coefficient for t in row.linear}
    if row.stiff is not None:
        forcing = row.forcing - part.stiff.xreplace(zero)
    stiff = [LinearTerm(neat(factor * c), j) for j, c in slopes.items()]
    for jet, coefficient in slopes.items():
        left = neat(rest.pop(jet, sympy.S.Zero) - coefficient)
        if left != 0:
            rest[jet] = left
    linear = [LinearTerm(neat(factor * c), j) for j, c in rest.items()]
    return ImexRow(
        row,
        mass.jet.field,
        tuple(stiff),
        tuple(linear),
        factor * row.nonlinear,
        factor * forcing,
        part.chosen_by,
    )


def neat(expression: sympy.Expr) -> sympy.Expr:
    """Common factors cancelled where that is quick, so that what is zero is seen to be zero."""
    if expression.is_Atom or expression.is_Number:
        return expression
    if sympy.count_ops(expression) > 200:  # pyright: ignore[reportOperatorIssue]
        return expression
    try:
        return sympy.cancel(expression)
    except sympy.PolynomialError:
        return sympy.expand_mul(expression)


def is_bent(system: System, row: Row) -> bool:
    """Whether a boundary condition is not linear, or has a coefficient that changes in time."""
    time = system.time_symbol
    return row.nonlinear != 0 or any(time in t.coefficient.free_symbols for t in row.linear)


def imex_mistakes(system: System, *, bent: bool = False) -> list[Diagnostic]:
    """Boundary conditions that cannot be solved along with every step (E632).

    `system` is in evolution form. A condition that holds a time derivative is refused; unless
    `bent`, so is one that is not linear or has a coefficient that changes in time.
    """
    found: list[Diagnostic] = []
    for row in system.boundary:
        span = row.equation.span
        if row.mass:
            found.append(_condition("holds a time derivative", span))
        elif not bent and row.nonlinear != 0:
            found.append(_condition("is not linear", span))
        elif not bent and is_bent(system, row):
            found.append(_condition("has a coefficient that changes in time", span))
    return found


def _condition(what: str, span: Span | None) -> Diagnostic:
    return Diagnostic(
        "E632",
        f"boundary conditions are solved along with every step, and this one {what}",
        span,
        helps=("choose `dt_pinn` or `pinn`, which minimise the residual of any condition",),
    )
