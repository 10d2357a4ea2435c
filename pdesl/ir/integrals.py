"""Conditions on integrals over the domain, `∫(u) = 0`, and the constants that they fix.

The constants are those of `invariance`: with a basis c_k of what may be added to a solution, and
conditions ∫ Σ_f w_gf u_f dV = b_g, the amounts a_k of a solution that meets them follow from

    Σ_k a_k ∫ Σ_f w_gf c_kf dV = b_g − ∫ Σ_f w_gf u_f dV.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import reduce
from operator import or_
from typing import Any

import numpy as np
import sympy
from sympy.core.function import AppliedUndef

from pdesl.diagnostics import Diagnostic
from pdesl.ir.frame import Frame
from pdesl.ir.system import IntegralCondition, Row, System
from pdesl.symbolic.domain import numeric_value
from pdesl.symbolic.functions import make_function, numpy_namespace
from pdesl.symbolic.geometry import Region
from pdesl.symbolic.geometry.quadrature import make_quadrature
from pdesl.symbolic.operators import ErasureError
from pdesl.symbolic.problem import Equation

__all__ = [
    "Constants", "Values", "fixing_mistakes", "integral_condition", "integrand",
    "missing_constants",
]  # fmt: skip

_MEASURES = ("integral", "average")
# Singular values of the integrals of constants below this share of the largest count as zero.
_RANK = 1e-9
# How far the integrals of a known solution may miss a condition, relative to what is summed up.
_MISSED = 1e-6

Constants = Mapping[str, sympy.Rational]
Values = Callable[[np.ndarray], Mapping[str, np.ndarray]]
"""Points (n, d), with their times, to the values (n,) of every field."""


# -- from an equation ----------------------------------------------------------------------


def integrand(equation: Equation) -> tuple[Equation, sympy.Expr]:
    """`left = right` of integrals, as ∫ (integrand) dV + constant = 0: the integrand's equation.

    Raises:
        ErasureError: E431, what is no sum of integrals, or of averages, with constant factors.
    """
    difference = equation.lhs - equation.rhs
    marks = [
        n for n in sympy.preorder_traversal(difference)
        if isinstance(n, AppliedUndef) and n.func.__name__ in _MEASURES
    ]  # fmt: skip
    kinds = {n.func.__name__ for n in marks}
    inside = {inner for n in marks for inner in n.args[0].atoms(AppliedUndef)}
    places = {n: sympy.Dummy(real=True) for n in dict.fromkeys(marks)}
    rest = difference.xreplace(places)
    factors = [sympy.diff(rest, p) for p in places.values()]
    constant: Any = rest.xreplace(dict.fromkeys(places.values(), sympy.S.Zero))
    outside = reduce(or_, (e.atoms(AppliedUndef) for e in (*factors, constant)), set())
    if (
        len(kinds) != 1
        or any(i.func.__name__ in _MEASURES for i in inside)
        or outside
        or any(f.has(*places.values()) for f in factors)
    ):
        raise ErasureError(
            marks[0] if marks else difference,
            "a condition on integrals is a sum of integrals, or of means, with constant factors",
            code="E431", help="write `∫(u) = 0`, `mean(u) = 1` or `∫(u) = ∫(exact(u))`",
        )  # fmt: skip
    total = sympy.Add(*(f * n.args[0] for f, n in zip(factors, places, strict=True)))
    if kinds == {"average"}:
        total, constant = total + constant, sympy.S.Zero
    return replace(equation, lhs=total, rhs=sympy.S.Zero), constant


def integral_condition(row: Row, constant: sympy.Expr, frame: Frame) -> IntegralCondition:
    """The condition with a row for its integrand.

    Raises:
        ErasureError: E431, an integrand that is not linear in the fields or holds derivatives,
            or a constant that depends on the place.
    """
    space = frame.space
    held = constant.free_symbols & {space.coordinates[i] for i in frame.space_axes}
    wrong = row.nonlinear != 0 or any(term.jet.order for term in (*row.linear, *row.mass))
    if held or wrong or not row.linear:
        first = next((space.symbol(t.jet) for t in row.linear if t.jet.order), row.residual)
        raise ErasureError(
            first,
            "a condition on integrals is linear in the fields and holds no derivatives of them: it "
            "fixes what the other equations leave free",
            code="E431", help="write `∫(u) = 0`, `mean(u) = 1` or `∫(u) = ∫(exact(u))`",
        )  # fmt: skip
    axis = frame.time_axis
    moving = [t for t in row.linear if axis is not None and space.coordinates[axis] in
              t.coefficient.free_symbols]  # fmt: skip
    if moving:
        raise ErasureError(
            space.symbol(moving[0].jet), "the weight of an integral changes in time", code="E431",
            help="divide by it: what the integral equals may depend on time, `∫(p) = sin(t)`",
        )  # fmt: skip
    return IntegralCondition(row, constant)


# -- constants that it fixes ---------------------------------------------------------------


def missing_constants(
    system: System,
    free: Sequence[Constants],
    region: Region,
    values: Mapping[sympy.Symbol, float],
    fields: Values,
    t: float = 0.0,
) -> dict[str, float]:
    """What to add to each field so that the conditions hold.

    Args:
        system: with its conditions.
        free: the constants that may be added, one for each condition.
        region: the domain.
        values: numbers for the parameters.
        fields: the present values.
        t: when, in a problem in time.
    """
    table, missed, _ = _integrals(system, free, region, values, fields, t)
    amounts = np.linalg.lstsq(table, missed, rcond=None)[0]
    shift = dict.fromkeys(system.fields, 0.0)
    for amount, constants in zip(amounts, free, strict=True):
        for field, share in constants.items():
            shift[field] += float(amount) * float(share)
    return shift


def fixing_mistakes(
    system: System, free: Sequence[Constants], region: Region,
    values: Mapping[sympy.Symbol, float],
) -> list[Diagnostic]:  # fmt: skip
    """Conditions that fix nothing (E432), or that the known solution misses (E408)."""
    if not system.integrals:
        return []
    known = system.exact
    if known:
        symbols = [*system.space.coordinates, *values]
        formulas = make_function([known[f] for f in system.fields], symbols, numpy_namespace())

    def exact(points: np.ndarray) -> dict[str, np.ndarray]:
        if not known:
            return {f: np.zeros(len(points)) for f in system.fields}
        made = formulas(*points.T, *values.values())
        return {
            f: np.broadcast_to(np.asarray(m, float), (len(points),))
            for f, m in zip(system.fields, made, strict=True)
        }

    first = system.integrals[0].row.equation.span
    if not system.is_steady and not free:
        return [
            Diagnostic(
                "E432", "a condition on an integral fixes a constant that the other equations "
                "leave free; here initial data fix every field", first,
                helps=("leave it out, or watch the integral, `every 0.1: ∫(u) -> \"u.csv\"`",),
            )
        ]  # fmt: skip
    with np.errstate(all="ignore"):
        start = system.problem.time and system.problem.time.lower
        t = 0.0 if start is None else numeric_value(start, values, None, "a time")
        table, missed, sizes = _integrals(system, free, region, values, exact, t)
    if free:
        sizes_of_table = np.linalg.svd(table, compute_uv=False)
        rank = int(np.sum(sizes_of_table > _RANK * max(sizes_of_table[0], 1e-300)))
    else:
        rank = 0
    if rank < len(system.integrals):
        what = (
            "the other equations and conditions leave no constant free, so this is one too many"
            if not free else
            f"the other equations and conditions leave {len(free)} "
            f"constant{'s' * (len(free) > 1)} free, and the {len(system.integrals)} on integrals "
            f"fix {rank}"
        )  # fmt: skip
        return [
            Diagnostic(
                "E432", what, first,
                helps=("state one such condition for each constant that is free, or none",),
            )
        ]  # fmt: skip
    return [
        Diagnostic(
            "E408", f"the known solution does not satisfy this condition: it is missed by "
            f"{amount:.3g}", condition.row.equation.span,
            helps=("correct the solution or the condition, or write `∫(u) = ∫(exact(u))`",),
        )
        for condition, amount, size in zip(system.integrals, missed, sizes, strict=True)
        if known and abs(amount) > _MISSED * size
    ]  # fmt: skip


def _integrals(
    system: System,
    free: Sequence[Constants],
    region: Region,
    values: Mapping[sympy.Symbol, float],
    fields: Values,
    t: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Integrals of the constants (g, k), what the fields miss (g,), and the size of its parts."""
    rule = make_quadrature(region)
    points, volume = rule.points, rule.weights
    if system.frame.time_axis is not None:
        points = np.insert(points, system.frame.time_axis, t, axis=1)
    space, spatial = system.space, system.frame.spatial
    symbols = [*space.coordinates, *values]

    def at_points(expression: sympy.Expr) -> np.ndarray:
        function = make_function([expression], symbols, numpy_namespace())
        (made,) = function(*points.T, *values.values())
        return np.broadcast_to(np.asarray(made, float), (len(points),))

    if spatial is not None:
        volume = volume * at_points(spatial.density)
    present = fields(points)
    table = np.zeros((len(system.integrals), len(free)))
    missed = np.zeros(len(system.integrals))
    sizes = np.zeros(len(system.integrals))
    for g, condition in enumerate(system.integrals):
        weights: dict[str, Any] = {
            t.jet.field: at_points(t.coefficient) for t in condition.row.linear
        }
        parts = [weight * present[field] for field, weight in weights.items()]
        parts.append(at_points(condition.row.forcing))
        constant = float(at_points(condition.constant)[0])
        missed[g] = -constant - sum(float(np.sum(volume * part)) for part in parts)
        sizes[g] = abs(constant) + sum(float(np.sum(volume * np.abs(p))) for p in parts)
        for k, constants in enumerate(free):
            table[g, k] = sum(
                float(share) * float(np.sum(volume * weights[field]))
                for field, share in constants.items()
                if field in weights
            )
    return table, missed, sizes
