"""What can be said of a system before anything is solved, and whether it is well posed enough.

`facts` reads orders, linearity and coupling off the rows; `verify` gathers every mistake: in the
rows themselves, in their conditions (`conditions`), at points of the domain (`known_solution`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import sympy

from pdesl.diagnostics import Diagnostic, ProblemError, Severity, Span
from pdesl.ir.character import character
from pdesl.ir.conditions import (
    boundary_mistakes,
    corner_warnings,
    initial_mistakes,
)  # fmt: skip
from pdesl.ir.invariance import constant_mistakes
from pdesl.ir.known_solution import row_sample, solution_mistakes, value_mistakes
from pdesl.ir.normalise import parts_agree
from pdesl.ir.samples import boundary_sample, condition_mask, interior_sample
from pdesl.ir.split import stiff_mistakes
from pdesl.ir.system import Row, System
from pdesl.ir.text import format_expression
from pdesl.symbolic.domain import make_region, numeric_value
from pdesl.symbolic.functions import UnsupportedExpression, make_function, numpy_namespace
from pdesl.symbolic.problem import Problem

__all__ = [
    "Facts", "character_lines", "condition_mask", "count_mistakes", "facts", "shape_mistakes",
    "verify",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class FieldFacts:
    name: str
    order_in_space: int
    order_in_time: int


@dataclass(frozen=True, slots=True)
class Facts:
    """Facts of a system, each read off its rows."""

    dimension: int
    steady: bool
    fields: tuple[FieldFacts, ...]
    linear: bool
    constant_coefficients: bool
    coupled: bool
    nonlinear_terms: tuple[str, ...]

    @property
    def order_in_space(self) -> int:
        return max((f.order_in_space for f in self.fields), default=0)

    @property
    def order_in_time(self) -> int:
        return max((f.order_in_time for f in self.fields), default=0)


def facts(system: System) -> Facts:
    """The facts of a system."""
    space = system.space
    coordinates = set(space.coordinates)
    terms = [t for row in system.rows for t in (*row.mass, *row.linear)]
    nonlinear = [row.nonlinear for row in system.rows if row.nonlinear != 0]
    jets_of_rows = [{j.field for j in row.jets(space)} & set(system.fields) for row in system.rows]
    return Facts(
        len(system.frame.space_axes),
        system.is_steady,
        tuple(
            FieldFacts(f, system.order_in_space(f), system.order_in_time(f)) for f in system.fields
        ),
        all(row.is_linear for row in system.all_rows) and not _learned(system),
        not any(t.coefficient.free_symbols & coordinates for t in terms),
        any(len(names) > 1 for names in jets_of_rows),
        tuple(format_expression(e, system) for e in nonlinear),
    )


def _learned(system: System) -> bool:
    """Whether an equation holds a closure, which is a nonlinear term that nobody knows yet."""
    return any(j.field in system.closures for row in system.rows for j in row.jets(system.space))


# -- mistakes ------------------------------------------------------------------------------


def verify(system: System) -> tuple[Diagnostic, ...]:
    """Everything that is wrong or odd with a system as a problem to be solved.

    Errors: an expression without numerical form (E327), rows whose parts do not sum up (E399),
    more or fewer equations than fields (E324), a field that no equation holds (E325), a stiff
    part that is not linear (E316), initial conditions (E406, E422, E423, E425), an empty range
    of time (E416), a region that cannot be (E44x), boundary conditions (E403 to E405, E407,
    E409, E424, E425), values that are not finite (E326), a known solution that does not satisfy
    a row (E408), a metric whose signature changes (E337). Warnings: initial and boundary data
    that disagree at the start (W920), a chart that degenerates inside the domain (W930), an
    equation that is ill-posed in time (W931), a solution that is free by a constant (W940).
    """
    found: list[Diagnostic] = []
    for row in system.all_rows:
        found += _row_mistakes(system, row)
    found += count_mistakes(system)
    found += initial_mistakes(system)
    try:
        values = system.problem.parameter_values()
        span, late = _time_span(system, values)
    except ProblemError as error:
        return (*found, *error.diagnostics)
    found += late
    if system.problem.shape is None:
        return tuple(found)
    try:
        found += _at_points(system, values, span, is_sound=not _wrong(found))
    except ProblemError as error:
        found += error.diagnostics
    if not _wrong(found):
        region = make_region(system.problem.shape, system.space_symbols, values)
        found += constant_mistakes(system, values, region)
    return tuple(found)


def _wrong(found: list[Diagnostic]) -> bool:
    return any(d.severity is Severity.ERROR for d in found)


def character_lines(system: System) -> tuple[str, ...]:
    """What there is to say of the metric and of the types of the equations, in lines of text.

    The system is one that `verify` found no error in.
    """
    shape = system.problem.shape
    if shape is None:
        return ()
    values = system.problem.parameter_values()
    region = make_region(shape, system.space_symbols, values)
    span, _ = _time_span(system, values)
    with np.errstate(all="ignore"):
        return character(system, region, interior_sample(region), values, span).lines


def shape_mistakes(problem: Problem) -> tuple[Diagnostic, ...]:
    """What is wrong with the parameters and the domain alone, whatever the equations say."""
    try:
        values = problem.parameter_values()
        if problem.shape is not None:
            make_region(problem.shape, tuple(c.symbol for c in problem.space), values)
    except ProblemError as error:
        return error.diagnostics
    return ()


def _at_points(
    system: System, values: Mapping[sympy.Symbol, float], span: tuple[float, float] | None,
    *, is_sound: bool,
) -> list[Diagnostic]:  # fmt: skip
    """What points on the boundary and inside the domain show. Raises `ProblemError`."""
    from pdesl.symbolic.geometry import GeometryError

    shape = system.problem.shape
    assert shape is not None
    region = make_region(shape, system.space_symbols, values)
    found: list[Diagnostic] = []
    try:
        with np.errstate(all="ignore"):
            sample, inside = boundary_sample(region), interior_sample(region)
            found += boundary_mistakes(system, region, sample, values)
        if not is_sound or _wrong(found):
            return found
        for row in system.all_rows:
            places = row_sample(row, system, region, sample, inside, values)
            own = value_mistakes(row, system, places, values, span)
            found += own or solution_mistakes(row, system, places, inside, values, span)
        found += character(system, region, inside, values, span).diagnostics
        if span is not None and not _wrong(found):
            found += corner_warnings(system, region, sample, inside, values, span[0])
    except ArithmeticError:
        found.append(
            Diagnostic(
                "E442", "the numbers of this region are too large or too small to compute with",
                shape.span, helps=("choose units in which they are nearer to 1",),
            )
        )  # fmt: skip
    except GeometryError as error:
        helps = (error.help,) if error.help else ()
        found.append(Diagnostic(error.code, error.message, shape.span, helps=helps))
    return found


def _time_span(
    system: System, values: Mapping[sympy.Symbol, float]
) -> tuple[tuple[float, float] | None, list[Diagnostic]]:
    """The range of time, and what is wrong with it."""
    time = system.problem.time
    if time is None or time.lower is None or time.upper is None:
        return None, []
    lower, upper = (numeric_value(b, values, time.span, "a time") for b in (time.lower, time.upper))
    if lower < upper:
        return (lower, upper), []
    return None, [
        Diagnostic(
            "E416", f"the interval of `{time.name}`, [{lower:g}, {upper:g}], holds no point",
            time.span, helps=("the lower bound comes first, and the upper one is greater",),
        )
    ]  # fmt: skip


def _row_mistakes(system: System, row: Row) -> list[Diagnostic]:
    parts = [t.expression(system.space) for t in (*row.mass, *row.linear)]
    expressions = [*parts, row.nonlinear, row.forcing]
    symbols = sorted(set().union(*(e.free_symbols for e in expressions)), key=str)
    try:
        make_function(expressions, symbols, numpy_namespace())  # type: ignore[arg-type]
    except UnsupportedExpression as error:
        text = str(error.part)
        return [
            Diagnostic(
                "E327", f"`{text if len(text) <= 60 else text[:57] + '…'}` cannot be evaluated: "
                f"{error.reason}", row.equation.span_of(error.part),
                helps=("rewrite the formula with other functions; `pdesl list functions`",),
            )
        ]  # fmt: skip
    if not parts_agree(system, row, erased=False):
        return [
            Diagnostic(
                "E399", f"{row.name}: its parts do not sum to the equation", row.equation.span,
                helps=("this is a defect of pdesl: please report it with the file",),
            )
        ]  # fmt: skip
    return stiff_mistakes(system, row)


def count_mistakes(system: System) -> list[Diagnostic]:
    """More or fewer equations than fields (E324), and fields that no equation holds (E325)."""
    found = []
    held = {j.field for row in system.rows for j in row.jets(system.space)}
    if len(system.rows) != len(system.fields):
        some = "few" if len(system.rows) < len(system.fields) else "many"
        names = ", ".join(f"`{f}`" for f in system.fields) or "none"
        last = system.rows[-1].equation.span if system.rows else None
        found.append(
            Diagnostic(
                "E324", f"too {some} equations: {len(system.rows)} for the "
                f"{len(system.fields)} unknown{'s' if len(system.fields) != 1 else ''} {names}",
                last, helps=("a vector equation counts once for each component",),
            )
        )  # fmt: skip
    spans: dict[str, Span | None] = {c: f.span for f in system.problem.fields for c in f.components}
    for name in system.fields:
        if name not in held:
            found.append(
                Diagnostic(
                    "E325", f"no equation holds the field `{name}`", spans[name],
                    helps=("state an equation for it, or remove the field",),
                )
            )  # fmt: skip
    return found
