"""Whether initial and boundary conditions fit the equations and one another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np
import sympy

from pdesl.diagnostics import Diagnostic, Severity, Span
from pdesl.ir.counting import surplus, wanting
from pdesl.ir.samples import Sample, condition_mask, evaluate
from pdesl.ir.system import Row, System
from pdesl.symbolic.functions import UnsupportedExpression
from pdesl.symbolic.jets import NotDifferentiable, TooLarge, differentiate

if TYPE_CHECKING:
    from pdesl.symbolic.geometry import Region

__all__ = ["boundary_mistakes", "corner_warnings", "initial_mistakes"]

# Initial and boundary data disagree when they differ by so much of their size.
CORNER_TOLERANCE = 1e-3


def _fields_of(system: System, row: Row) -> set[str]:
    return {j.field for j in row.jets(system.space)} & set(system.fields)


def _span_of_field(system: System, name: str) -> Span | None:
    return next((f.span for f in system.problem.fields if name in f.components), None)


# -- initial conditions --------------------------------------------------------------------


def initial_mistakes(system: System) -> list[Diagnostic]:
    """One condition too few or too many at the start."""
    found: list[Diagnostic] = []
    if system.is_steady:
        for row in system.initial:
            found.append(
                Diagnostic(
                    "E423", "an initial condition needs a time coordinate", row.equation.span,
                    helps=("add `t ∈ [0, 1]` to `domain:`, or remove the line",),
                )
            )  # fmt: skip
        return found
    for row in system.initial:
        if not _fields_of(system, row):
            found.append(_no_field(row, "initial"))
    for name in system.fields:
        wanted = system.order_in_time(name)
        held = [row for row in system.initial if name in _fields_of(system, row)]
        extra = [row for row in held if _time_order(system, row, name) >= max(wanted, 1)]
        held = [row for row in held if row not in extra]
        extra += held[wanted:]
        words = f"`{name}` has " + (
            f"time derivatives up to order {wanted}" if wanted else "no time derivative"
        )
        for row in extra:
            takes = f"takes {wanted}" if wanted else "takes none"
            found.append(
                Diagnostic(
                    "E422", f"one initial condition too many: {words}, so it {takes}",
                    row.equation.span, helps=("remove this line",),
                )
            )  # fmt: skip
        if len(held) < wanted and not system.problem.data:
            taken = {_time_order(system, row, name) for row in held}
            missing = [_time_derivative(system, name, k) for k in range(wanted) if k not in taken]
            helps = tuple(f"add `{m} = …` to `initial:`" for m in missing)
            found.append(
                Diagnostic(
                    "E406", f"too few initial conditions: {words}, so it needs {wanted}, and has "
                    f"{len(held) or 'none'}", _span_of_field(system, name), helps=helps,
                )
            )  # fmt: skip
    return found


def _time_order(system: System, row: Row, name: str) -> int:
    return max(system.time_order(j) for j in row.jets(system.space) if j.field == name)


def _time_derivative(system: System, name: str, order: int) -> str:
    if order == 0:
        return name
    return f"∂{system.time_symbol}{'' if order == 1 else '²' if order == 2 else f'^{order}'} {name}"


def _no_field(row: Row, kind: str) -> Diagnostic:
    return Diagnostic(
        "E425", f"this {kind} condition holds no unknown field", row.equation.span,
        helps=("state a condition for a field, `u = 0`",),
    )  # fmt: skip


# -- boundary conditions -------------------------------------------------------------------


def boundary_mistakes(
    system: System, region: Region, sample: Sample, values: Mapping[sympy.Symbol, float]
) -> list[Diagnostic]:
    """Conditions in wrong places, of wrong orders, one too few or too many.

    A field of order 2 m in space takes m conditions everywhere on the boundary, one of odd
    order 2 m + 1 takes m or m + 1, one of first order at most one (where it flows in). A
    condition that holds several fields serves one of them (see `counting`).
    """
    found: list[Diagnostic] = []
    if not len(sample):
        for row in system.boundary:
            found.append(
                Diagnostic(
                    "E424", "the domain has no boundary: it is periodic in every direction",
                    row.equation.span, helps=("remove the condition",),
                )
            )  # fmt: skip
        return found
    masks: list[np.ndarray] = []
    doubtful: set[str] = set()  # fields of conditions that are wrong in themselves
    for row in system.boundary:
        names = _fields_of(system, row)
        wrong = [] if names else [_no_field(row, "boundary")]
        mask, misplaced = _mask(system, region, sample, row, values)
        masks.append(mask)
        wrong += misplaced
        for name in sorted(names):
            wrong += _order_mistakes(system, row, name)
        if wrong:
            doubtful |= names or set(system.fields)
        found += wrong
    return [*found, *_count_mistakes(system, region, sample, masks, doubtful)]


def _mask(
    system: System, region: Region, sample: Sample, row: Row,
    values: Mapping[sympy.Symbol, float],
) -> tuple[np.ndarray, list[Diagnostic]]:  # fmt: skip
    """Where a condition holds, and what is wrong with its regions."""
    from pdesl.language.names import suggest

    mask = np.zeros(len(sample), dtype=bool)
    found: list[Diagnostic] = []
    for spec in row.regions:
        if spec.kind == "part" and spec.name not in region.part_names:
            guess = suggest(spec.name, region.part_names)
            parts = ", ".join(f"`{n}`" for n in region.part_names)
            found.append(
                Diagnostic(
                    "E403", f"the boundary has no part `{spec.name}`", spec.span,
                    helps=(f"did you mean `{guess}`?" if guess else f"its parts are {parts}",),
                )
            )  # fmt: skip
            continue
        own = condition_mask(spec, region, system, sample.points, sample.part, values)
        if not own.any():
            found.append(
                Diagnostic(
                    "E407", f"no boundary point lies on `{spec.text or spec.name}`", spec.span,
                    helps=(_extent(region, system),),
                )
            )  # fmt: skip
        mask |= own
    return mask, found


def _order_mistakes(system: System, row: Row, name: str) -> Iterable[Diagnostic]:
    order = max(system.space_order(j) for j in row.jets(system.space) if j.field == name)
    highest = system.order_in_space(name)
    if order < max(highest, 1):
        return
    allowed = f"derivatives up to order {highest - 1}" if highest > 1 else "no derivative"
    yield Diagnostic(
        "E409", f"a boundary condition for `{name}` holds {allowed}, since its equation has order "
        f"{highest} in space; this one has order {order}", row.equation.span,
        helps=("state a condition of lower order, `u = …` or `∂n u = …`",),
    )  # fmt: skip


def _count_mistakes(
    system: System, region: Region, sample: Sample, masks: list[np.ndarray], doubtful: set[str]
) -> Iterable[Diagnostic]:
    """Fields with too few conditions, and conditions that no field has room for."""
    orders = {name: system.order_in_space(name) for name in system.fields}
    least = {name: order // 2 if order > 1 else 0 for name, order in orders.items()}
    most = {name: (order + 1) // 2 for name, order in orders.items()}
    choices = [sorted(_fields_of(system, row)) for row in system.boundary]
    # The boundary of a field of fewer coordinates is another one.
    space = {c.name for c in system.problem.space}
    for field in system.problem.unknown_fields:
        if not space <= set(field.coordinates):
            doubtful = doubtful | set(field.components)
    short = {name: np.zeros(len(sample), dtype=bool) for name in system.fields}
    long = [np.zeros(len(sample), dtype=bool) for _ in masks]
    table = np.array(masks, dtype=bool).reshape(len(masks), len(sample)).T
    patterns, members = np.unique(table, axis=0, return_inverse=True)
    for number, pattern in enumerate(patterns):
        here = np.ravel(members) == number
        held = [i for i, holds in enumerate(pattern) if holds]
        own = [choices[i] for i in held]
        for name in wanting(own, least):
            short[name] |= here
        for position in surplus(own, most):
            long[held[position]] |= here
    for name, mask in short.items():
        if mask.any() and name not in doubtful:
            yield Diagnostic(
                "E404", f"too few boundary conditions for `{name}`: order {orders[name]} in space "
                f"needs {least[name]} everywhere on the boundary", _span_of_field(system, name),
                label=_where(region, system, sample, mask),
                helps=(_suggestion(region, sample, mask, name),),
            )  # fmt: skip
    for row, names, mask in zip(system.boundary, choices, long, strict=True):
        if names and mask.any() and doubtful.isdisjoint(names):
            takes = "; ".join(
                f"order {orders[n]} of `{n}` in space takes {most[n] or 'none'}" for n in names
            )
            yield Diagnostic(
                "E405", f"one boundary condition too many: {takes}", row.equation.span,
                label=_where(region, system, sample, mask),
                helps=("remove this condition, or say where each of them holds, `on x = 0`",),
            )  # fmt: skip


def _extent(region: Region, system: System) -> str:
    lower, upper = region.bounding_box()
    ranges = ", ".join(
        f"{a:g} ≤ {s.name} ≤ {b:g}"
        for s, a, b in zip(system.space_symbols[:4], lower, upper, strict=False)
    )
    return f"the domain spans {ranges}" + (", …" if len(lower) > 4 else "")


def _parts(region: Region, sample: Sample, mask: np.ndarray) -> list[str]:
    return [region.part_names[i] for i in np.unique(sample.part[mask])]


def _point(system: System, point: np.ndarray) -> str:
    shown = zip(system.space_symbols[:4], point, strict=False)
    return ", ".join(f"{s.name} = {v:.3g}" for s, v in shown) + (", …" if len(point) > 4 else "")


def _where(region: Region, system: System, sample: Sample, mask: np.ndarray) -> str:
    if mask.all():
        return "on the whole boundary"
    names = ", ".join(f"`{n}`" for n in _parts(region, sample, mask)[:4])
    point = sample.points[np.flatnonzero(mask)[mask.sum() // 2]]
    return f"on {names}, at {_point(system, point)} for one"


def _suggestion(region: Region, sample: Sample, mask: np.ndarray, name: str) -> str:
    if mask.all():
        return f"add `{name} = 0 on ∂Ω` (or another condition) to `boundary:`"
    return f"add `{name} = 0 on {_parts(region, sample, mask)[0]}` (or another condition)"


# -- initial against boundary data ---------------------------------------------------------


def corner_warnings(
    system: System, region: Region, sample: Sample, inside: Sample,
    values: Mapping[sympy.Symbol, float], start: float,
) -> list[Diagnostic]:  # fmt: skip
    """Boundary conditions that the initial data do not satisfy at the start.

    A boundary row is evaluated with the initial data in place of the fields, and compared with
    the size that its terms have anywhere in the domain.
    """
    data = _initial_data(system)
    found = []
    for row in system.boundary:
        terms = _with_data(system, row, data)
        if terms is None:
            continue
        mask, _ = _mask(system, region, sample, row, values)
        where = sample.where(mask)
        try:
            there = evaluate(terms, system, where, values, start)
            anywhere = evaluate(terms, system, inside, values, start)
        except UnsupportedExpression:
            continue
        sizes = np.concatenate([np.abs(there).sum(axis=0), np.abs(anywhere).sum(axis=0)])
        misses = np.abs(there.sum(axis=0))
        if not len(where) or not np.all(np.isfinite(misses)):
            continue
        worst = int(np.argmax(misses))
        if misses[worst] > CORNER_TOLERANCE * max(
            np.max(sizes[np.isfinite(sizes)], initial=0.0), 1e-300
        ):
            first = next(
                r for r in system.initial if _fields_of(system, r) & _fields_of(system, row)
            )
            place = first.equation.span
            found.append(
                Diagnostic(
                    "W920", "initial and boundary data disagree at the start: this condition is "
                    f"missed by {misses[worst]:.3g} at {_point(system, where.points[worst])}",
                    row.equation.span,
                    related=((place, "by these initial data"),) if place is not None else (),
                    helps=("make one of them fit the other; where the jump is meant, expect an "
                           "error near it at first",),
                    severity=Severity.WARNING,
                )
            )  # fmt: skip
    return found


def _initial_data(system: System) -> dict[tuple[str, int], sympy.Expr]:
    """∂t^k of fields at the start, by field and k, from rows of the form `∂t^k u = formula`."""
    data: dict[tuple[str, int], sympy.Expr] = {}
    for row in system.initial:
        terms = (*row.mass, *row.linear)
        if len(terms) == 1 and row.nonlinear == 0 and not any(system.space_orders(terms[0].jet)):
            (term,) = terms
            data[term.jet.field, system.time_order(term.jet)] = -row.forcing / term.coefficient
    return data


def _with_data(
    system: System, row: Row, data: Mapping[tuple[str, int], sympy.Expr]
) -> list[sympy.Expr] | None:
    """The terms of a row with initial data for its fields; None where some are not given."""
    space = system.space
    values: dict[sympy.Symbol, sympy.Expr] = {}
    for jet in row.jets(space):
        known = data.get((jet.field, system.time_order(jet)))
        if known is None:
            return None
        try:
            for symbol, order in zip(system.space_symbols, system.space_orders(jet), strict=True):
                for _ in range(order):
                    known = differentiate(known, symbol)
        except (NotDifferentiable, TooLarge):
            return None
        values[space.symbol(jet)] = known
    if not values:
        return None
    parts = [t.expression(space) for t in (*row.mass, *row.linear)]
    parts += [*sympy.Add.make_args(row.nonlinear), *sympy.Add.make_args(row.forcing)]
    return [part.xreplace(values) for part in parts]  # pyright: ignore[reportReturnType]
