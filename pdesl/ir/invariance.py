"""Solutions that are free by a constant: fields that enter a steady problem by derivatives alone.

A row F(x, jets) = 0 does not change under u → u + c, with one constant for each field, when

    Σ_fields c_f ∂F/∂u_f = 0    at all places and for all jets,

u_f being the jet of order zero. Constants c for which all rows, those of the boundary included,
are unchanged lead from one solution to another, so that the problem has many or none. They are
found from the derivatives at random places, and proved by symbolic differentiation.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import sympy

from pdesl.diagnostics import Diagnostic, Severity, Span
from pdesl.ir.integrals import fixing_mistakes
from pdesl.ir.system import Row, System
from pdesl.symbolic.geometry import Region
from pdesl.symbolic.jets import Jet, NotDifferentiable, TooLarge, differentiate

__all__ = ["constant_mistakes", "free_constants"]

# Random places at which the derivatives are compared.
PLACES = 4


def free_constants(
    system: System, values: Mapping[sympy.Symbol, float]
) -> list[dict[str, sympy.Rational]]:
    """A basis of the constants that may be added to a solution, each by field; zeros left out.

    In a problem in time they may be added at every moment, to fields without a time derivative:
    initial data fix all others. Empty for a problem with learned terms, of which nothing is known.

    Args:
        system: the rows.
        values: a number for every parameter, since a coefficient may be zero.
    """
    shifted = [f for f in system.fields if not system.order_in_time(f)]
    if not shifted or system.closures:
        return []
    numbers = {s: sympy.Rational(repr(float(v))) for s, v in values.items()}
    try:
        slopes: list[list[Any]] = [
            [_slope(system, row, field).xreplace(numbers) for field in shifted]
            for row in (*system.rows, *system.boundary)
        ]
    except (NotDifferentiable, TooLarge):
        return []
    return [
        {f: c for f, c in zip(shifted, constants, strict=True) if c != 0}
        for constants in _candidates(slopes, len(shifted))
        if all(_vanishes(constants, line) for line in slopes)
    ]


def constant_mistakes(
    system: System, values: Mapping[sympy.Symbol, float], region: Region
) -> list[Diagnostic]:
    """A warning (W940) for each constant that is free, or what is wrong with those that fix it."""
    free = free_constants(system, values)
    if system.integrals:
        wrong = fixing_mistakes(system, free, region, values)
        if wrong or len(system.integrals) == len(free):
            return wrong
    spans: dict[str, Span | None] = {c: f.span for f in system.problem.fields for c in f.components}
    found = []
    for constants in free:
        names = list(constants)
        if len(names) == 1:
            what = f"`{names[0]}` is free by a constant: the equations and conditions hold its"
            what += " derivatives alone"
        else:
            sums = ", ".join(
                f"{'' if c == 1 else '-' if c == -1 else f'{c} '}c to `{f}`"
                for f, c in constants.items()
            )
            what = "the solution is free by a constant: adding " + sums
            what += " changes no equation and no condition"
        found.append(
            Diagnostic(
                "W940", what, spans[names[0]],
                helps=(f"fix it by a line under `boundary:`, `∫({names[0]}) = 0`",
                       f"or fix the value of `{names[0]}` on a part of the boundary, or add a term "
                       f"in `{names[0]}` itself to an equation"),
                severity=Severity.WARNING,
            )
        )  # fmt: skip
    return found


def _slope(system: System, row: Row, field: str) -> sympy.Expr:
    """∂(row)/∂u for the jet of order zero of a field."""
    symbol = system.space.symbol(Jet(field, (0,) * len(system.space.coordinates)))
    total: sympy.Expr = sympy.S.Zero
    if row.nonlinear.has(symbol):
        total = differentiate(row.nonlinear, symbol)
    for term in row.linear:
        if term.jet.field == field and not any(term.jet.orders):
            total += term.coefficient
    return total


def _candidates(slopes: list[list[Any]], fields: int) -> list[tuple[Any, ...]]:
    """Rational constants for which all rows vanish at some random places.

    Places are rational, so that polynomials and quotients are compared exactly; other functions
    are left as they are, and compared as numbers to many digits.
    """
    source = random.Random(0)
    symbols = sorted(set().union(*(e.free_symbols for line in slopes for e in line)), key=str)
    lines: list[list[Any]] = []
    for _ in range(PLACES if symbols else 1):
        place = {s: sympy.Rational(source.randint(100, 900), 997) for s in symbols}
        for line in slopes:
            numbers = [e.xreplace(place).evalf(40) if e != 0 else sympy.S.Zero for e in line]
            if not all(n.is_comparable and n.is_finite for n in numbers):
                continue
            largest = max((abs(n) for n in numbers), default=sympy.S.Zero)
            if largest > 0:
                lines.append([_rational(n / largest) if n != 0 else n for n in numbers])
    table = sympy.Matrix(lines) if lines else sympy.zeros(1, fields)
    return [tuple(_whole(vector)) for vector in table.nullspace()]


def _rational(number: Any) -> Any:
    """The fraction with a small denominator next to a number of 40 digits."""
    near = Fraction(str(number)).limit_denominator(10**12)
    return sympy.Rational(near.numerator, near.denominator)


def _whole(vector: Any) -> list[Any]:
    """The multiple of a vector whose first entry that is not zero is one."""
    first = next(entry for entry in vector if entry != 0)
    return [entry / first for entry in vector]


def _vanishes(constants: tuple[Any, ...], line: list[Any]) -> bool:
    total = sympy.Add(*(c * e for c, e in zip(constants, line, strict=True)))
    if total == 0:
        return True
    return sympy.cancel(sympy.together(sympy.expand(total))) == 0
