"""What can be said of a system before anything is solved, and whether it is well posed enough.

`facts` reads orders, linearity and coupling off the rows; `verify` checks conditions against
orders, regions against the boundary, and known solutions against the rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import sympy

from pdesl.diagnostics import Diagnostic, Severity
from pdesl.ir.normalise import exact_jets, parts_agree
from pdesl.ir.system import Row, System
from pdesl.symbolic.domain import make_region, numeric_value
from pdesl.symbolic.functions import UnsupportedExpression, make_function, numpy_namespace
from pdesl.symbolic.operators import NORMAL
from pdesl.symbolic.problem import RegionSpec

if TYPE_CHECKING:
    from pdesl.symbolic.geometry import Region

__all__ = ["Facts", "condition_mask", "facts", "verify"]

# A known solution satisfies a row when the residual is so small against its summands.
EXACT_TOLERANCE = 1e-8
# Points on the boundary that conditions are checked at.
BOUNDARY_POINTS = 400


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
    from pdesl.ir.text import format_expression

    return Facts(
        len(system.frame.space_axes),
        system.is_steady,
        tuple(
            FieldFacts(f, system.order_in_space(f), system.order_in_time(f)) for f in system.fields
        ),
        all(row.is_linear for row in system.all_rows),
        not any(t.coefficient.free_symbols & coordinates for t in terms),
        any(len(names) > 1 for names in jets_of_rows),
        tuple(format_expression(e, system) for e in nonlinear),
    )


# -- well-posedness ------------------------------------------------------------------------


def verify(system: System) -> tuple[Diagnostic, ...]:
    """Everything that is wrong or odd with a system as a problem to be solved.

    Errors: rows whose parts do not sum up (E399), as many equations as fields (E324), a source
    or field that no equation holds (E325), too few or too many initial (E406) or boundary
    conditions (E404, E405), a region without boundary points (E407), an unknown part (E403), a
    known solution that does not satisfy a row (E408). Warnings: initial and boundary data that
    disagree at the start (W920).
    """
    found: list[Diagnostic] = []
    for row in system.all_rows:
        if not parts_agree(system, row):
            found.append(
                Diagnostic(
                    "E399", f"{row.name}: its parts do not sum to the equation; "
                    "this is a defect of pdesl, please report it with the file",
                    row.equation.span,
                )
            )  # fmt: skip
    found += _counts(system)
    found += _initial(system)
    if any(d.severity is Severity.ERROR for d in found):
        return tuple(found)
    values = system.problem.parameter_values()
    if system.problem.shape is not None:
        from pdesl.diagnostics import ProblemError

        try:
            region = make_region(system.problem.shape, system.space_symbols, values)
            sample = _boundary_sample(region)
        except ProblemError as error:
            return (*found, *error.diagnostics)
        found += _boundary(system, region, sample, values)
        if not any(d.severity is Severity.ERROR for d in found):
            found += _exact_solution(system, region, sample, values)
    return tuple(found)


def _counts(system: System) -> list[Diagnostic]:
    found = []
    held = {j.field for row in system.rows for j in row.jets(system.space)}
    if len(system.rows) != len(system.fields):
        some = "few" if len(system.rows) < len(system.fields) else "many"
        names = ", ".join(f"`{f}`" for f in system.fields)
        first = system.rows[-1].equation.span if system.rows else None
        found.append(
            Diagnostic(
                "E324", f"too {some} equations: {len(system.rows)} for the "
                f"{len(system.fields)} unknown{'s' if len(system.fields) > 1 else ''} {names}", first,
                helps=("a vector equation counts once for each component",),
            )
        )  # fmt: skip
    spans = {c: f.span for f in system.problem.fields for c in f.components}
    for name in system.fields:
        if name not in held:
            found.append(Diagnostic("E325", f"no equation holds the field `{name}`", spans[name]))
    return found


def _initial(system: System) -> list[Diagnostic]:
    found: list[Diagnostic] = []
    space = system.space
    if system.is_steady:
        for row in system.initial:
            found.append(
                Diagnostic("E406", "an initial condition needs a time coordinate `t`",
                           row.equation.span)
            )  # fmt: skip
        return found
    for name in system.fields:
        wanted = system.order_in_time(name)
        held = [row for row in system.initial if any(j.field == name for j in row.jets(space))]
        for row in held:
            order = max(system.time_order(j) for j in row.jets(space) if j.field == name)
            if order >= max(wanted, 1):
                found.append(
                    Diagnostic(
                        "E406", f"`{name}` has time derivatives up to order {wanted}, so this "
                        "initial condition is one too many", row.equation.span,
                    )
                )  # fmt: skip
                held = [r for r in held if r is not row]
        if len(held) < wanted and not system.problem.data:
            missing = name if not held else f"∂t {name}"
            span = next((f.span for f in system.problem.fields if name in f.components), None)
            found.append(
                Diagnostic(
                    "E406", f"`{name}` needs {wanted} initial condition{'s' if wanted > 1 else ''}, "
                    f"and has {len(held)}", span,
                    helps=(f"add `{missing} = …` to `initial:`",),
                )
            )  # fmt: skip
        elif len(held) > wanted:
            found.append(
                Diagnostic("E406", f"`{name}` needs {wanted} initial condition"
                           f"{'s' if wanted != 1 else ''}, and has {len(held)}",
                           held[-1].equation.span)
            )  # fmt: skip
    return found


@dataclass(frozen=True, slots=True)
class Sample:
    """Points on the boundary with normals and part numbers."""

    points: np.ndarray
    normals: np.ndarray
    part: np.ndarray


def _boundary_sample(region: Region) -> Sample:
    lower, upper = (np.asarray(b, dtype=float) for b in region.bounding_box())
    dimension = region.dimension
    extent = float(np.max(upper - lower))
    spacing = extent * {1: 1.0, 2: 1 / 60, 3: 1 / 12}.get(dimension, 1 / 4)
    sample = region.sample_boundary(spacing)
    return Sample(*(np.asarray(a) for a in (sample.points, sample.normals, sample.part)))


def condition_mask(
    spec: RegionSpec, region: Region, system: System, points: np.ndarray, part: np.ndarray,
    values: Mapping[sympy.Symbol, float],
) -> np.ndarray:  # fmt: skip
    """Which boundary points a region of a condition holds, as flags."""
    if spec.kind == "all":
        return np.ones(len(points), dtype=bool)
    if spec.kind == "part":
        names = list(region.part_names)
        return part == names.index(spec.name) if spec.name in names else np.zeros(len(points), bool)
    lower, upper = (np.asarray(b, dtype=float) for b in region.bounding_box())
    extent = float(np.max(upper - lower))
    if spec.kind == "shape":
        assert spec.shape is not None
        own = make_region(spec.shape, system.space_symbols, values)
        return np.abs(own.level(points)) <= 1e-6 * extent
    symbols = [*system.space_symbols, *values]
    (level,) = make_function([spec.expression], symbols, numpy_namespace())(
        *points.T, *values.values()
    )
    tolerance = 1e-9 * extent
    level = np.broadcast_to(level, (len(points),))
    if spec.operator == "=":
        return np.abs(level) <= tolerance
    return level < 0 if spec.operator == "<" else level > 0


def _boundary(
    system: System, region: Region, sample: Sample, values: Mapping[sympy.Symbol, float]
) -> list[Diagnostic]:
    found: list[Diagnostic] = []
    space = system.space
    count = len(sample.points)
    if count == 0:
        for row in system.boundary:
            found.append(
                Diagnostic("E407", "the domain has no boundary (it is periodic), so no condition "
                           "can hold there", row.equation.span)
            )  # fmt: skip
        return found
    held: dict[str, np.ndarray] = {f: np.zeros(count, dtype=int) for f in system.fields}
    for row in system.boundary:
        mask = np.zeros(count, dtype=bool)
        for spec in row.regions:
            if spec.kind == "part" and spec.name not in region.part_names:
                names = ", ".join(f"`{n}`" for n in region.part_names)
                found.append(
                    Diagnostic("E403", f"the boundary has no part `{spec.name}`", spec.span,
                               helps=(f"its parts are {names}",))
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
        names = {j.field for j in row.jets(space)} & set(system.fields)
        if not names:
            found.append(
                Diagnostic("E409", "this boundary condition holds no unknown field",
                           row.equation.span)
            )  # fmt: skip
        for name in names:
            # A condition that couples fields counts for each of them; sums are judged below.
            held[name] = held[name] + mask
            order = max(system.space_order(j) for j in row.jets(space) if j.field == name)
            if order >= max(system.order_in_space(name), 1):
                found.append(
                    Diagnostic(
                        "E409", f"a boundary condition for `{name}` holds derivatives up to order "
                        f"{system.order_in_space(name) - 1}, and this one has order {order}",
                        row.equation.span,
                    )
                )  # fmt: skip
    if any(d.severity is Severity.ERROR for d in found):
        return found
    for name in system.fields:
        order = system.order_in_space(name)
        least, most = order // 2, (order + 1) // 2
        if order == 1:
            least = 0
        span = next((f.span for f in system.problem.fields if name in f.components), None)
        short, long = held[name] < least, held[name] > most
        if short.any():
            found.append(
                Diagnostic(
                    "E404", f"too few boundary conditions for `{name}`: order {order} in space "
                    f"needs {least} everywhere on the boundary", span,
                    label=_where(region, system, sample, short),
                    helps=(_suggestion(region, system, sample, short, name),),
                )
            )  # fmt: skip
        elif long.any():
            rows = [r for r in system.boundary if any(j.field == name for j in r.jets(space))]
            found.append(
                Diagnostic(
                    "E405", f"too many boundary conditions for `{name}`: order {order} in space "
                    f"takes {most}", rows[-1].equation.span,
                    label=_where(region, system, sample, long),
                )
            )  # fmt: skip
    return found


def _extent(region: Region, system: System) -> str:
    lower, upper = region.bounding_box()
    ranges = ", ".join(
        f"{a:g} ≤ {s.name} ≤ {b:g}"
        for s, a, b in zip(system.space_symbols, lower, upper, strict=True)
    )
    return f"the domain spans {ranges}"


def _parts(region: Region, sample: Sample, mask: np.ndarray) -> list[str]:
    return [region.part_names[i] for i in np.unique(sample.part[mask])]


def _where(region: Region, system: System, sample: Sample, mask: np.ndarray) -> str:
    if mask.all():
        return "on the whole boundary"
    names = ", ".join(f"`{n}`" for n in _parts(region, sample, mask))
    point = sample.points[np.flatnonzero(mask)[mask.sum() // 2]]
    place = ", ".join(f"{s.name} = {v:.3g}" for s, v in zip(system.space_symbols, point, strict=True))
    return f"on {names}, at {place} for one"


def _suggestion(
    region: Region, system: System, sample: Sample, mask: np.ndarray, name: str
) -> str:
    if mask.all():
        return f"add `{name} = 0 on ∂Ω` (or another condition) to `boundary:`"
    return f"add `{name} = 0 on {_parts(region, sample, mask)[0]}` (or another condition)"


# -- known solutions -----------------------------------------------------------------------


def _exact_solution(
    system: System, region: Region, sample: Sample, values: Mapping[sympy.Symbol, float]
) -> list[Diagnostic]:
    """Rows that a known solution does not satisfy, tried at random points."""
    if not system.exact:
        return []
    generator = np.random.default_rng(0)
    lower, upper = (np.asarray(b, dtype=float) for b in region.bounding_box())
    points = generator.uniform(lower, upper, (4000, region.dimension))
    inside = points[np.asarray(region.level(points)) < 0][:200]
    time = system.problem.time
    found = []
    for row in system.all_rows:
        if {j.field for j in row.jets(system.space)} & set(system.closures):
            continue
        mask = np.ones(len(sample.points), dtype=bool)
        if row.kind == "boundary":
            masks = [
                condition_mask(s, region, system, sample.points, sample.part, values)
                for s in row.regions
            ]
            mask = np.any(masks, axis=0)
        where = sample.points[mask] if row.kind == "boundary" else inside
        normals = sample.normals[mask] if row.kind == "boundary" else np.zeros_like(where)
        if not len(where):
            continue
        moments = np.zeros(len(where))
        if time is not None and time.lower is not None and time.upper is not None:
            span = [numeric_value(b, values, time.span, "a time") for b in (time.lower, time.upper)]
            moments = generator.uniform(*span, len(where))
            if row.kind == "initial":
                moments = np.full(len(where), span[0])
        size = _relative_residual(system, row, where, normals, moments, values)
        if size is not None and size > EXACT_TOLERANCE:
            found.append(
                Diagnostic(
                    "E408", f"the known solution does not satisfy this: the residual is {size:.1e} "
                    "of the size of its terms", row.equation.span,
                    helps=(
                        "derive the data from the solution with `exact(…)` or a field of type "
                        "`source`, or correct the solution",
                    ),
                )
            )  # fmt: skip
    return found


def _relative_residual(
    system: System, row: Row, points: np.ndarray, normals: np.ndarray, moments: np.ndarray,
    values: Mapping[sympy.Symbol, float],
) -> float | None:  # fmt: skip
    space = system.space
    parts = [t.expression(space) for t in (*row.mass, *row.linear)]
    parts += [*sympy.Add.make_args(row.nonlinear), *sympy.Add.make_args(row.forcing)]
    expressions = [exact_jets(p, space, system.exact) for p in parts]
    normal_symbols = [sympy.Symbol(f"{NORMAL}[{s.name}]", real=True) for s in system.space_symbols]
    symbols: list[sympy.Symbol] = [*system.space_symbols, *normal_symbols, *values]
    arrays: list = [*points.T, *normals.T, *values.values()]
    if system.time_symbol is not None:
        symbols.append(system.time_symbol)
        arrays.append(moments)
    try:
        function = make_function(expressions, symbols, numpy_namespace())
        with np.errstate(all="ignore"):
            terms = [np.broadcast_to(v, (len(points),)) for v in function(*arrays)]
    except UnsupportedExpression:
        return None
    scale = np.max(np.sum(np.abs(terms), axis=0))
    residual = np.max(np.abs(np.sum(terms, axis=0)))
    return float(residual / scale) if scale > 0 else 0.0
