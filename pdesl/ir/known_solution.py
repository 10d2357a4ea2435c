"""Whether expressions have values in the domain, and a known solution satisfies the rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import sympy

from pdesl.diagnostics import Diagnostic, Severity
from pdesl.ir.normalise import exact_jets, solution_diagnostic
from pdesl.ir.samples import Sample, condition_mask, evaluate
from pdesl.ir.system import Row, System
from pdesl.symbolic.functions import UnsupportedExpression
from pdesl.symbolic.operators import ErasureError

if TYPE_CHECKING:
    from pdesl.symbolic.geometry import Region

__all__ = ["row_sample", "solution_mistakes", "value_mistakes"]

# A known solution satisfies a row when the residual is so small against its summands.
EXACT_TOLERANCE = 1e-8
# Up to this share a solution is one of a wider domain, or rounded, and a warning is enough.
NEARLY_EXACT = 1e-6


def row_sample(
    row: Row, system: System, region: Region, sample: Sample, inside: Sample,
    values: Mapping[sympy.Symbol, float],
) -> Sample:  # fmt: skip
    """Points at which a row holds: its part of the boundary, or points inside."""
    if row.kind != "boundary":
        return inside
    mask = np.zeros(len(sample), dtype=bool)
    for spec in row.regions:
        mask |= condition_mask(spec, region, system, sample.points, sample.part, values)
    return sample.where(mask)


def _moments(row: Row, system: System, count: int, span: tuple[float, float] | None) -> np.ndarray:
    if span is None:
        return np.zeros(count)
    if row.kind == "initial":
        return np.full(count, span[0])
    return np.random.default_rng(1).uniform(*span, count)


def value_mistakes(
    row: Row, system: System, places: Sample, values: Mapping[sympy.Symbol, float],
    span: tuple[float, float] | None,
) -> list[Diagnostic]:  # fmt: skip
    """Coefficients or a forcing that are not finite where the row holds (E326)."""
    moments = _moments(row, system, len(places), span)
    for expression in (*(t.coefficient for t in (*row.mass, *row.linear)), row.forcing):
        try:
            (numbers,) = evaluate([expression], system, places, values, moments)
        except UnsupportedExpression:
            return []
        bad = ~np.isfinite(numbers)
        if bad.any():
            point = places.points[int(np.argmax(bad))]
            shown = zip(system.space_symbols[:4], point, strict=False)
            where = ", ".join(f"{s.name} = {v:.3g}" for s, v in shown)
            return [
                Diagnostic(
                    "E326", "a coefficient or a term without fields is no finite number at "
                    f"{where}", row.equation.span,
                    helps=("check what is divided by, and the arguments of roots and logarithms; "
                           "or leave the point out of the domain",),
                )
            ]  # fmt: skip
    return []


def solution_mistakes(
    row: Row, system: System, places: Sample, inside: Sample,
    values: Mapping[sympy.Symbol, float], span: tuple[float, float] | None,
) -> list[Diagnostic]:  # fmt: skip
    """A row that the known solution does not satisfy at points in space and time (E408).

    Boundary terms are measured by the size that they have anywhere in the domain, since on the
    boundary all of them may vanish but for rounding.
    """
    if not system.exact or not {j.field for j in row.jets(system.space)} <= set(system.exact):
        return []  # a closure, or a field that the solution does not tell
    if not len(places):
        return []
    space = system.space
    parts = [t.expression(space) for t in (*row.mass, *row.linear)]
    parts += [*sympy.Add.make_args(row.nonlinear), *sympy.Add.make_args(row.forcing)]
    try:
        expressions = [exact_jets(p, space, system.exact) for p in parts]
    except ErasureError as error:
        return [solution_diagnostic(system.problem, error, row.equation)]
    moments = _moments(row, system, len(places), span)
    try:
        terms = evaluate(expressions, system, places, values, moments)
        anywhere = evaluate(
            expressions, system, inside, values, _moments(row, system, len(inside), span)
        )
    except UnsupportedExpression:
        return []
    sizes = np.sum(np.abs(anywhere), axis=0)
    scale = float(np.max(np.sum(np.abs(terms), axis=0)))
    scale = max(scale, float(np.max(sizes[np.isfinite(sizes)], initial=0.0)))
    residual = float(np.max(np.abs(np.sum(terms, axis=0))))
    if not np.isfinite(residual):
        return [
            Diagnostic(
                "E326", "with the known solution, a term of this is no finite number somewhere in "
                "the domain", row.equation.span,
                helps=("check what is divided by, and the arguments of roots and logarithms",),
            )
        ]  # fmt: skip
    if scale == 0 or residual <= EXACT_TOLERANCE * scale:
        return []
    if residual <= NEARLY_EXACT * scale:
        return [
            Diagnostic(
                "W941", f"the known solution satisfies this but for {residual / scale:.1e} of the "
                "size of its terms: an error below about that says nothing", row.equation.span,
                helps=("derive the data from the solution with `exact(…)`",),
                severity=Severity.WARNING,
            )
        ]  # fmt: skip
    return [
        Diagnostic(
            "E408", f"the known solution does not satisfy this: the residual is "
            f"{residual / scale:.1e} of the size of its terms", row.equation.span,
            helps=(
                "derive the data from the solution with `exact(…)` or a field of type `source`, "
                "or correct the solution",
            ),
        )
    ]  # fmt: skip
