"""How a field of a network meets its conditions: u = lift + factor · N, or lift + factor · exp(N).

The factor vanishes on the parts of the boundary where a Dirichlet condition holds, and the lift
takes the values there, so that the condition holds exactly whatever the network N is. All other
conditions are left to penalties. With an exact start the initial values are part of the lift, or
of the factor of an exponential, and N is zero at first. Formulas and reasons come from the declared
conditions and the shape of the domain alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy

from pdesl.diagnostics import Diagnostic
from pdesl.ir.boundary_factors import Face, box_faces, part_factors
from pdesl.ir.samples import (
    Sample,
    boundary_sample,
    condition_mask,
    evaluate,
    interior_sample,
)
from pdesl.ir.system import Row, System
from pdesl.ir.text import format_expression
from pdesl.symbolic.functions import UnsupportedExpression
from pdesl.symbolic.geometry import Region
from pdesl.symbolic.tidy import operations

__all__ = [
    "Ansatz", "FieldAnsatz", "Penalty", "ansatz_lines", "held_value", "make_ansatz",
    "start_mistakes",
]  # fmt: skip

# What of an ansatz is spelled out: operations (see `operations`) and characters.
LONGEST_PART, LONGEST_TEXT = 120, 70
# A lift of more terms costs more than it gains.
MOST_TERMS = 400
# Initial values are off the boundary's where they are by this share of the largest.
DISAGREEMENT = 1e-9


@dataclass(frozen=True, slots=True)
class FieldAnsatz:
    """u = lift(t, x) + factor(x) · N(x) for one field; formulas without parameters.

    `hard` names the conditions that hold exactly; `exponential` has exp(N) in place of N, and
    `exact` says that N = 0 gives the initial values. `above` is u₀ − lift(t₀) where either is asked
    for.
    """

    field: str
    factor: sympy.Expr
    lift: sympy.Expr
    hard: tuple[str, ...] = ()
    exponential: bool = False
    exact: bool = False
    above: sympy.Expr = sympy.S.Zero


@dataclass(frozen=True, slots=True)
class Penalty:
    """A condition that a penalty has to see to, and why."""

    row: Row
    reason: str


@dataclass(frozen=True, slots=True)
class Ansatz:
    """The ansatz of every field, in the system's order, and the conditions it does not meet."""

    fields: tuple[FieldAnsatz, ...]
    penalties: tuple[Penalty, ...]


@dataclass(frozen=True, slots=True)
class _Dirichlet:
    """u = value on whole parts of the boundary."""

    row: Row
    field: str
    value: sympy.Expr
    parts: tuple[int, ...]


def make_ansatz(
    system: System,
    region: Region,
    values: Mapping[sympy.Symbol, float],
    *,
    hard: bool = True,
    exponential: bool = False,
    exact: bool = False,
) -> Ansatz:
    """The ansatz of a system in evolution form.

    Args:
        system: the result of `to_evolution`.
        region: its domain.
        values: a number for every parameter.
        hard: whether Dirichlet conditions are built in; else all conditions are penalties.
        exponential: u = lift + factor · exp(N), which is above its lift everywhere inside.
        exact: the initial values u₀ are built in: the lift becomes lift + u₀ − lift(t₀), or the
            factor of an exponential u₀ − lift(t₀). `start_mistakes` says where that cannot be.

    A condition is built in where it fixes one field, linearly and with a constant coefficient,
    on whole parts of the boundary that have a smooth distance function (`part_factors`), and
    where its data can be lifted: on boxes any data, by transfinite interpolation (W. J. Gordon
    and C. A. Hall, 1973), elsewhere data that are the same along each part.
    """
    constants = {s: sympy.Float(v, 17) for s, v in values.items()}
    symbols = system.space_symbols
    sample = boundary_sample(region)
    factors = part_factors(region, symbols)
    penalties: list[Penalty] = []
    held: dict[str, list[_Dirichlet]] = {name: [] for name in system.fields}
    for row in system.boundary:
        found = _dirichlet(row, system, region, sample, values, constants)
        if not hard:
            penalties.append(Penalty(row, "hard conditions are switched off"))
        elif isinstance(found, str):
            penalties.append(Penalty(row, found))
        elif any(part not in factors for part in found.parts):
            penalties.append(Penalty(row, "the boundary has no smooth distance function there"))
        else:
            held[found.field].append(found)
    fields = []
    for name in system.fields:
        lift, kept, refused = _lift(system, held[name], region, factors)
        penalties += refused
        parts = sorted({part for condition in kept for part in condition.parts})
        factor = sympy.Mul(*(_whole(region, part, parts, factors) for part in parts))
        labels = tuple(condition.row.name for condition in kept)
        above: sympy.Expr = sympy.S.Zero
        if exact or exponential:
            above = _above_lift(system, name, lift, constants)
        if exact:
            factor, lift = (above, lift) if exponential else (factor, lift + above)
        fields.append(FieldAnsatz(name, factor, lift, labels, exponential, exact, above))
    order = {id(row): number for number, row in enumerate(system.boundary)}
    penalties.sort(key=lambda p: order[id(p.row)])
    return Ansatz(tuple(fields), tuple(penalties))


def _above_lift(
    system: System, field: str, lift: sympy.Expr, constants: Mapping[sympy.Symbol, sympy.Expr]
) -> sympy.Expr:
    """u₀ − lift(t₀) of a field."""
    row = _initial_row(system, field)
    time, own = system.time_symbol, system.problem.time
    assert time is not None
    assert own is not None
    assert own.lower is not None
    start = own.lower.xreplace(dict(constants))
    forcing: Any = row.forcing.xreplace(dict(constants))
    return (-forcing - lift).xreplace({time: start})


def _initial_row(system: System, field: str) -> Row:
    return next(r for r in system.initial if r.linear[0].jet.field == field)


def _dirichlet(
    row: Row,
    system: System,
    region: Region,
    sample: Sample,
    values: Mapping[sympy.Symbol, float],
    constants: Mapping[sympy.Symbol, sympy.Expr],
) -> _Dirichlet | str:
    """The condition as a Dirichlet condition, or why it is none."""
    if not row.is_linear:
        return "it is nonlinear"
    terms = [*row.mass, *row.linear]
    if len({t.jet.field for t in terms}) != 1:
        return "it couples fields"
    if any(any(t.jet.orders) for t in terms):
        return "it holds derivatives"
    coefficient = sympy.Add(*(t.coefficient for t in terms)).xreplace(dict(constants))
    if coefficient.free_symbols or coefficient == 0:
        return "its coefficient varies"
    data: sympy.Expr = held_value(row).xreplace(dict(constants))  # pyright: ignore[reportAssignmentType]
    allowed = {*system.space_symbols, system.time_symbol}
    if not data.free_symbols <= allowed:
        return "its data depend on the normal"
    mask = np.zeros(len(sample), dtype=bool)
    for spec in row.regions:
        mask |= condition_mask(spec, region, system, sample.points, sample.part, values)
    parts = []
    for part in range(len(region.part_names)):
        own = mask[sample.part == part]
        if own.all() and len(own):
            parts.append(part)
        elif own.any():
            return f"it holds on a piece of `{region.part_names[part]}` only"
    if not parts:
        return "it holds on no whole part of the boundary"
    return _Dirichlet(row, terms[0].jet.field, data, tuple(parts))


def held_value(row: Row) -> sympy.Expr:
    """g of a condition u = g that an ansatz holds."""
    return -row.forcing / sympy.Add(*(t.coefficient for t in (*row.mass, *row.linear)))


def _whole(
    region: Region, part: int, parts: Sequence[int], factors: Mapping[int, sympy.Expr]
) -> sympy.Expr:
    """The factor of a part; opposite faces of a box together reach one in the middle."""
    faces = box_faces(region)
    if part in faces:
        opposite = part - 1 if faces[part][1] else part + 1
        if opposite in parts:
            return 2 * factors[part]
    return factors[part]


# -- lifts ---------------------------------------------------------------------------------


def _lift(
    system: System,
    conditions: Sequence[_Dirichlet],
    region: Region,
    factors: Mapping[int, sympy.Expr],
) -> tuple[sympy.Expr, list[_Dirichlet], list[Penalty]]:
    """A function that takes the data, the conditions it takes them from, and the others."""
    if all(c.value == 0 for c in conditions):
        return sympy.S.Zero, list(conditions), []
    faces = box_faces(region)
    if faces:
        data = {faces[part]: c.value for c in conditions for part in c.parts}
        lift = _transfinite(data, system, region)
        if lift is not None:
            return lift, list(conditions), []
        reason = "its data have no short interpolation into the domain"
    else:
        kept = [c for c in conditions if not c.value.free_symbols & set(system.space_symbols)]
        if len(kept) == len(conditions):
            return _blended({p: c.value for c in kept for p in c.parts}, factors), kept, []
        reason = "its data vary along the boundary of a domain that is no box"
    zero = [c for c in conditions if c.value == 0]
    refused = [Penalty(c.row, reason) for c in conditions if c.value != 0]
    return sympy.S.Zero, zero, refused


def _transfinite(
    data: Mapping[Face, sympy.Expr], system: System, region: Region
) -> sympy.Expr | None:
    """Coordinate by coordinate, the difference to the data on its faces is interpolated away."""
    lower, upper = region.bounding_box()
    lift: sympy.Expr = sympy.S.Zero
    for axis, symbol in enumerate(system.space_symbols):
        own = {is_upper: value for (k, is_upper, _), value in data.items() if k == axis}
        ends = {
            side: sympy.Integer(int(place)) if float(place).is_integer() else sympy.Float(place, 17)
            for side, place in ((False, lower[axis]), (True, upper[axis]))
        }
        width = ends[True] - ends[False]
        weights = {False: (ends[True] - symbol) / width, True: (symbol - ends[False]) / width}
        change: sympy.Expr = sympy.S.Zero
        for side, value in own.items():
            missing = (value - lift).subs(symbol, ends[side])
            change += missing * (weights[side] if len(own) == 2 else 1)
        lift = _multiplied_out(lift + change)
        if len(sympy.Add.make_args(lift)) > MOST_TERMS or lift.has(sympy.nan, sympy.zoo):
            return None
    return lift


def _multiplied_out(expression: sympy.Expr) -> sympy.Expr:
    """Products of sums multiplied out, functions such as exp(a + b) taken as they are."""
    units = {f: sympy.Dummy(real=True) for f in expression.atoms(sympy.Function)}
    plain = sympy.expand(expression.xreplace(units))
    return plain.xreplace({unit: f for f, unit in units.items()})


def _blended(data: Mapping[int, sympy.Expr], factors: Mapping[int, sympy.Expr]) -> sympy.Expr:
    """Σ_i g_i ∏_{j≠i} f_j / Σ_i ∏_{j≠i} f_j: equal to g_i where f_i vanishes."""
    if len(set(data.values())) == 1:
        return next(iter(data.values()))
    others = {p: sympy.Mul(*(factors[q] for q in data if q != p)) for p in data}
    return sympy.Add(*(data[p] * others[p] for p in data)) / sympy.Add(*others.values())


# -- starts --------------------------------------------------------------------------------


def start_mistakes(
    ansatz: Ansatz, system: System, region: Region, values: Mapping[sympy.Symbol, float]
) -> list[Diagnostic]:
    """Initial values that an ansatz cannot take (E638).

    An exponential needs u₀ above the lift inside of the domain; an exact start needs u₀ to meet
    the conditions that are built in, which it would break else. Both are looked at in points.
    """
    found: list[Diagnostic] = []
    inside, walls = interior_sample(region), boundary_sample(region)
    for entry in ansatz.fields:
        row = _initial_row(system, entry.field)
        try:
            heights = evaluate([entry.above], system, inside, values)[0]
            edges = evaluate([entry.above], system, walls, values)[0]
        except UnsupportedExpression:
            continue  # told where it is made a function (E327)
        if entry.exponential and not np.all(heights > 0.0):
            place = inside.points[np.argmin(np.where(np.isnan(heights), -np.inf, heights))]
            found.append(
                Diagnostic(
                    "E638",
                    f"an exponential ansatz needs `{entry.field}` above its values at the "
                    f"boundary, and it is not at {_place(system, place)} at the start",
                    row.equation.span,
                    helps=('choose `ansatz = "linear"`',),
                )
            )
        held = np.zeros(len(walls), dtype=bool)
        for condition in (r for r in system.boundary if r.name in entry.hard):
            for spec in condition.regions:
                held |= condition_mask(spec, region, system, walls.points, walls.part, values)
        size = float(np.max(np.abs(np.concatenate([heights, edges])), initial=0.0))
        wrong = held & ~(np.abs(edges) <= DISAGREEMENT * size)
        if entry.exact and np.any(wrong):
            place = walls.points[np.argmax(np.where(wrong, np.abs(edges), -1.0))]
            found.append(
                Diagnostic(
                    "E638",
                    f"an exact start needs initial values of `{entry.field}` that meet its "
                    f"conditions, and they do not at {_place(system, place)}",
                    row.equation.span,
                    helps=('choose `start = "fit"`, or `boundary = "penalty"`',),
                )
            )
    return found


def _place(system: System, point: np.ndarray) -> str:
    names = (s.name for s in system.space_symbols)
    return ", ".join(f"{n} = {v:.3g}" for n, v in zip(names, point, strict=True))


# -- words ---------------------------------------------------------------------------------


def ansatz_lines(ansatz: Ansatz, system: System) -> list[str]:
    """What is hard and what is a penalty, for people."""
    lines = []
    for entry in ansatz.fields:
        if entry.hard or entry.exponential or entry.exact:
            lift = "" if entry.lift == 0 else f"{_short(entry.lift, system, 'lift')} + "
            factor = _short(entry.factor, system, "factor")
            network = "exp(network)" if entry.exponential else "network"
            text = f"{entry.field} = {lift}{factor} · {network}"
            met = [*entry.hard, f"{entry.field} at the start"] if entry.exact else [*entry.hard]
            lines.append(f"exact: {', '.join(met)}, by {text}" if met else f"ansatz: {text}")
    for axis in system.problem.space:
        if axis.periodic:
            lines.append(f"exact: periodic in {axis.name}, by the embedding")
    for penalty in ansatz.penalties:
        lines.append(f"by penalty: {penalty.row.name}, as {penalty.reason}")
    return lines


def _short(expression: sympy.Expr, system: System, name: str) -> str:
    """A part of the ansatz, by its name and what it depends on where it is long."""
    if operations(expression) <= LONGEST_PART:
        text = format_expression(expression, system)
        if len(text) <= LONGEST_TEXT:
            return f"({text})" if " + " in text or " - " in text else text
    known = (system.time_symbol, *system.space_symbols)
    own = [str(s) for s in known if s in expression.free_symbols]
    return f"{name}({', '.join(own)})"
