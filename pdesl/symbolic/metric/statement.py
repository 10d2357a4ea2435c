"""From what a file says of its metric to a `Metric` over the coordinates of the problem."""

from __future__ import annotations

import math
from typing import Any

import sympy
from sympy.core.function import AppliedUndef

from pdesl.diagnostics import Diagnostic, ProblemError, Span
from pdesl.language.names import suggest
from pdesl.symbolic.domain import make_region
from pdesl.symbolic.functions import constant_value, vanishes
from pdesl.symbolic.metric.matrix import MAXIMUM_BLOCK, Metric, blocks
from pdesl.symbolic.metric.named import METRICS, Chart, MetricOption, NamedMetric, Role
from pdesl.symbolic.metric.ranges import Interval, Ranges
from pdesl.symbolic.problem import Coordinate, MetricSpec, Problem, Unknown

__all__ = ["metric_of", "ranges_of"]

Matrix = sympy.ImmutableDenseMatrix


def metric_of(problem: Problem) -> Metric | None:
    """The metric over `problem.coordinates`; None where the file states none.

    A metric without a differential of time is one of space, and time is apart: −dt² + ds².

    Raises:
        ProblemError: a metric by a name that is not known (E605), wrong options (E322),
            coordinates that do not fit it (E336), a domain that its chart does not cover (E338),
            or a matrix that is degenerate or mixes too many coordinates (E335).
    """
    spec = problem.metric
    if spec is None:
        return None
    ranges = ranges_of(problem)
    metric = _named(spec, problem, ranges) if spec.matrix is None else _spelled(spec, problem)
    return metric.refined(ranges)


def ranges_of(problem: Problem) -> Ranges:
    """The ranges of coordinates and parameters, as far as they are known.

    A coordinate without bounds of its own has those of its region; an unknown number those that
    the file gives it.
    """
    ranges: dict[sympy.Symbol, Interval] = {}
    try:
        values = problem.parameter_values()
    except ProblemError:  # reported by the checks of parameters
        return ranges
    for parameter in problem.parameters:
        value = parameter.value
        if isinstance(value, Unknown):
            if value.lower is not None and value.upper is not None:
                ends = [constant_value(e, values) for e in (value.lower, value.upper)]
                if ends[0] is not None and ends[1] is not None:
                    ranges[parameter.symbol] = ends[0], ends[1]
        else:
            number = values[parameter.symbol]
            ranges[parameter.symbol] = number, number
    for coordinate in problem.coordinates:
        if coordinate.lower is not None and coordinate.upper is not None:
            ends = [constant_value(e, values) for e in (coordinate.lower, coordinate.upper)]
            if ends[0] is not None and ends[1] is not None:
                ranges[coordinate.symbol] = ends[0], ends[1]
    symbols = tuple(c.symbol for c in problem.space if not c.separated)
    if problem.shape is not None and any(s not in ranges for s in symbols):
        try:
            lower, upper = make_region(problem.shape, symbols, values).bounding_box()
        except ProblemError:  # reported by the checks of the domain
            return ranges
        for symbol, low, high in zip(symbols, lower, upper, strict=True):
            ranges.setdefault(symbol, (float(low), float(high)))
    return ranges


def _wrong(
    spec: MetricSpec, code: str, message: str, *helps: str, span: Span | None = None,
    related: tuple[tuple[Span, str], ...] = (),
) -> ProblemError:  # fmt: skip
    texts = tuple(h for h in helps if h)
    return ProblemError(
        [Diagnostic(code, message, span or spec.span, related=related, helps=texts)]
    )


# -- spelled out ---------------------------------------------------------------------------


def _spelled(spec: MetricSpec, problem: Problem) -> Metric:
    assert spec.matrix is not None
    matrix = Matrix(spec.matrix)
    names = [c.name for c in problem.coordinates]
    apart = problem.time is not None and (
        matrix.rows < len(names) or all(e == 0 for e in matrix.row(0))
    )
    if apart:
        names = names[1:]
        if matrix.rows > len(names):
            matrix = Matrix(matrix[1:, 1:])
    for position, name in enumerate(names):
        if all(e == 0 for e in matrix.row(position)):
            raise _wrong(
                spec, "E335", f"this metric is degenerate: it says nothing of `{name}`",
                f"give each coordinate a term of its own, as d{name}²",
            )  # fmt: skip
    if any(len(block) > MAXIMUM_BLOCK for block in blocks(matrix)):
        raise _wrong(
            spec, "E335", f"this metric mixes more than {MAXIMUM_BLOCK} of its coordinates",
            "leave out mixed terms, or choose coordinates in which they vanish",
        )  # fmt: skip
    metric = Metric.of(matrix)
    if metric.determinant == 0 or vanishes(metric.determinant):
        raise _wrong(spec, "E335", "this metric is degenerate: its determinant is zero",
                     "give each coordinate a term of its own")  # fmt: skip
    return metric.with_time() if apart else metric


# -- by name -------------------------------------------------------------------------------


def _named(spec: MetricSpec, problem: Problem, ranges: Ranges) -> Metric:
    entry = METRICS.get(spec.name)
    if entry is None:
        guess = suggest(spec.name, list(METRICS))
        raise _wrong(
            spec, "E605", f"there is no metric named `{spec.name}`",
            f"did you mean `{guess}`?" if guess else f"there are: {', '.join(METRICS)}",
            "or spell it out, `ds² = -(1 - 2M/r) dt² + dr²/(1 - 2M/r) + …`",
        )  # fmt: skip
    given = dict(spec.arguments)
    for name in given:
        if name not in entry.options and name not in ("chart", "coordinates"):
            guess = suggest(name, ["chart", "coordinates", *entry.options])
            raise _wrong(
                spec, "E322", f"`{spec.name}` has no option `{name}`",
                f"did you mean `{guess}`?" if guess else
                f"it has: {', '.join((*entry.options, 'chart', 'coordinates'))}",
                span=spec.spans.get(name),
            )  # fmt: skip
    name, chart = _chart(spec, entry, given)
    options: dict[str, Any] = {
        option: _option(spec, problem, entry, name, option, given, ranges)
        for option in entry.options
    }
    for option, own in entry.options.items():
        if own.below and _value(options[option], ranges) >= _value(options[own.below], ranges):
            raise _wrong(
                spec, "E322", f"`{option}` of `{spec.name}` must be less than `{own.below}`",
                f"choose a greater `{own.below}`", span=spec.spans.get(option),
            )  # fmt: skip
    places = _places(spec, problem, entry, name, chart, given)
    space = [c for c in problem.coordinates if c.kind == "space"]
    ordered = [space[p] for p in places]
    _check_cover(spec, name, chart, ordered, ranges)
    time = problem.time.symbol if problem.time is not None else None
    metric = chart.build(time, [c.symbol for c in ordered], **options)
    if not entry.time and time is not None:
        metric = metric.with_time()
    # The chart's coordinate i is coordinate places[i] of the problem.
    back = sorted(range(len(places)), key=places.__getitem__)
    return metric.permuted([0, *(p + 1 for p in back)] if time is not None else back)


def _chart(spec: MetricSpec, entry: NamedMetric, given: dict[str, Any]) -> tuple[str, Chart]:
    value = _symbolic(given.get("chart", next(iter(entry.charts))))
    if not isinstance(value, str) or value not in entry.charts:
        guess = suggest(value, list(entry.charts)) if isinstance(value, str) else None
        raise _wrong(
            spec, "E322", f"`{spec.name}` has no such chart",
            f'did you mean "{guess}"?' if guess else "",
            "charts: " + ", ".join(f'"{c}"' for c in entry.charts),
            span=spec.spans.get("chart"),
        )  # fmt: skip
    return value, entry.charts[value]


def _option(
    spec: MetricSpec, problem: Problem, entry: NamedMetric, chart: str, name: str,
    given: dict[str, Any], ranges: Ranges,
) -> Any:  # fmt: skip
    """An option's value as the chart's function takes it. Raises `ProblemError` (E322)."""
    own = entry.options[name]
    span = spec.spans.get(name)
    value: Any = _symbolic(given.get(name, own.default))
    if value is None:
        raise _wrong(spec, "E322", f"`{spec.name}` needs `{name}`, the {own.words}",
                     f"{spec.name}({name}={_example(own)})")  # fmt: skip
    if own.sort == "point" and name in given and entry.charts[chart].roles:
        raise _wrong(
            spec, "E322", f'the chart "{chart}" is about r = 0 and has no `{name}`',
            f"leave out `{name}`, or choose a chart with Cartesian coordinates", span=span,
        )  # fmt: skip
    allowed = {p.symbol for p in problem.parameters}
    if own.sort == "function" and problem.time is not None:
        allowed.add(problem.time.symbol)
    wanted = _wanted(own)
    numbers: tuple[Any, ...] = value if isinstance(value, tuple) else (value,)
    fits = (isinstance(value, tuple) and len(value) == len(own.default)) if own.sort == "point" \
        else not isinstance(value, tuple)  # fmt: skip
    if own.sort == "word":
        fits = isinstance(value, str) and value in own.choices
    else:
        fits = fits and all(isinstance(v, sympy.Expr) for v in numbers)
        fits = fits and all(v.free_symbols <= allowed and not v.atoms(AppliedUndef)
                            for v in numbers)  # fmt: skip
    if fits and own.positive:
        fits = not _value(numbers[0], ranges) <= 0.0
    if not fits:
        raise _wrong(spec, "E322", f"`{name}` of `{spec.name}` must be {wanted}",
                     f"{name}={_example(own)}", span=span)  # fmt: skip
    return value


def _wanted(own: MetricOption) -> str:
    if own.sort == "word":
        return "one of " + ", ".join(f'"{c}"' for c in own.choices)
    if own.sort == "point":
        return f"a point of {len(own.default)} numbers"
    if own.sort == "function":
        return "an expression in time and parameters"
    return "a number greater than zero" if own.positive else "a number"


def _example(own: MetricOption) -> str:
    if own.sort == "word":
        return f'"{own.choices[0]}"'
    return {"point": "(0, 0, 0)", "function": "t^(2/3)"}.get(own.sort, "1")


def _value(expression: sympy.Expr, ranges: Ranges) -> float:
    """The number that an option has, nan where it is not known."""
    values = {s: low for s, (low, high) in ranges.items() if low == high}
    number = constant_value(expression, values)
    return math.nan if number is None else number


def _places(
    spec: MetricSpec, problem: Problem, entry: NamedMetric, name: str, chart: Chart,
    given: dict[str, Any],
) -> list[int]:  # fmt: skip
    """For each coordinate of the chart, its place among the spatial ones of the problem (E336)."""
    space = problem.space
    least, most = chart.count
    roles = ", ".join(r.name for r in chart.roles)
    if entry.time and problem.time is None:
        raise _wrong(
            spec, "E336", f"`{spec.name}` is a metric of space-time, and the domain has no time",
            "add `t ∈ [0, 1]` to `domain:`",
        )  # fmt: skip
    if not least <= len(space) <= most:
        count = f"{least}" if least == most else f"at least {least}"
        have = f"the domain has {len(space)}"
        raise _wrong(
            spec, "E336", f'`{spec.name}` in the chart "{name}" takes {count} coordinates of '
            f"space{f', {roles}' if roles else ''}, and {have}",
            "declare as many under `domain:`, or choose another chart",
        )  # fmt: skip
    if "coordinates" in given:
        value = given["coordinates"]
        symbols = [c.symbol for c in space]
        if not isinstance(value, tuple) or sorted(map(str, value)) != sorted(map(str, symbols)):
            raise _wrong(
                spec, "E336", "`coordinates` names each coordinate of space once, in the order "
                f"of the chart{f': {roles}' if roles else ''}",
                f"coordinates=[{', '.join(c.name for c in space)}]",
                span=spec.spans.get("coordinates"),
            )  # fmt: skip
        return [symbols.index(s) for s in value]  # type: ignore[arg-type]
    names = [r.name for r in chart.roles]
    for coordinate, role in zip(space, names, strict=False):
        if coordinate.name != role and coordinate.name in names:
            right = sorted(space, key=lambda c: names.index(c.name) if c.name in names else 99)
            raise _wrong(
                spec, "E336", f'the chart "{name}" takes its coordinates in the order {roles}, '
                f"and `{coordinate.name}` stands where {role} is expected",
                f"coordinates=[{', '.join(c.name for c in right)}]", span=coordinate.span,
                related=((spec.span, "the metric"),) if spec.span else (),
            )  # fmt: skip
    return list(range(len(space)))


def _check_cover(
    spec: MetricSpec, name: str, chart: Chart, ordered: list[Coordinate], ranges: Ranges
) -> None:
    """Raises `ProblemError` (E338) for a coordinate that leaves the range of its role."""
    for position, coordinate in enumerate(ordered):
        role = chart.role(position, len(ordered))
        found = ranges.get(coordinate.symbol)
        if role is None or found is None:
            continue
        fault = _fault(role, coordinate, *found)
        if fault:
            raise _wrong(
                spec, "E338", f'the chart "{name}" of `{spec.name}` does not cover the domain: '
                f"{fault}", "choose a domain inside the chart, or another chart",
                span=coordinate.span, related=((spec.span, "the metric"),) if spec.span else (),
            )  # fmt: skip


def _fault(role: Role, coordinate: Coordinate, low: float, high: float) -> str:
    name = coordinate.name
    slack = 1e-9 * max(abs(low), abs(high), high - low)
    words = f"`{name}` runs from {low:.6g} to {high:.6g}"
    if role.lower is not None and low < float(role.lower) - slack:
        return f"{words}, and {role.name} ≥ {float(role.lower):.6g} there"
    if role.upper is not None and high > float(role.upper) + slack:
        return f"{words}, and {role.name} ≤ {float(role.upper):.6g} there"
    if role.period is None:
        return f"`{name}` is periodic, and {role.name} is not" if coordinate.periodic else ""
    period = float(role.period)
    if high - low > period + slack:
        return f"{words}, more than once around"
    if coordinate.periodic and abs(high - low - period) > slack:
        return f"{words} periodically, and {role.name} closes after {period:.6g}"
    return ""


def _symbolic(value: Any) -> Any:
    """An option as SymPy has it; texts stay texts, a choice is its name."""
    if isinstance(value, tuple):
        return tuple(_symbolic(v) for v in value)
    if isinstance(value, bool | str | sympy.Basic):
        return value
    if isinstance(value, int):
        return sympy.Integer(value)
    if isinstance(value, float):
        return sympy.Rational(repr(value))
    return getattr(value, "name", value)
