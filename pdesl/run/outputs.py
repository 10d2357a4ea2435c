"""What the block `output` asks for: files, each with its quantities and, on the way, its times.

A quantity is a field, an expression of fields and their derivatives at every node, or a number: a
value at a place, `u(x=0.5, y=0)`, or an expression of integrals and other measures of the whole
domain, `∫(u²)`, `mean(u)`, `max(u)`, `norm(u)`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import sympy
from sympy.core.function import AppliedUndef

from pdesl.diagnostics import Diagnostic, ProblemError
from pdesl.ir.system import System
from pdesl.solvers.schedule import rule_times
from pdesl.symbolic.domain import numeric_value
from pdesl.symbolic.operators import NORMAL, ErasureError, erase
from pdesl.symbolic.problem import Choice, OptionValue, OutputRule, Problem
from pdesl.symbolic.units import base_unit

__all__ = [
    "MEASURES", "Condition", "Measure", "Quantity", "Target", "output_targets", "stop_conditions",
]  # fmt: skip

MEASURES = ("integral", "average", "minimum", "maximum", "norm")
"""Markers of what is measured over the domain: ∫f dV, ∫f dV/∫dV, min, max and √∫f² dV."""


@dataclass(frozen=True, slots=True)
class Measure:
    """A measure of an expression in jets over the domain; `symbol` stands for its value."""

    kind: str
    expression: sympy.Expr
    symbol: sympy.Symbol


@dataclass(frozen=True, slots=True)
class Quantity:
    """Something to be written.

    `name` in a file, `label` as the problem writes it. `expression` is in coordinates, parameters,
    jets, and the symbols of `measures`. A quantity with `place`, values by coordinate, or without
    dependence on the place (`is_number`) is one number at each time.
    """

    name: str
    label: str
    expression: sympy.Expr
    is_field: bool = False
    is_number: bool = False
    measures: tuple[Measure, ...] = ()
    place: tuple[tuple[str, float], ...] = ()
    unit: str | None = None


@dataclass(frozen=True, slots=True)
class Condition:
    """An inequality, true where its `margin`, a number, is not negative; `label` as written."""

    margin: Quantity
    label: str

    def has_derivatives(self, system: System) -> bool:
        parts = (self.margin.expression, *(m.expression for m in self.margin.measures))
        return any(any(j.orders) for part in parts for j in system.space.jets(part))


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """A file: its name, quantities, and times (T,); None for the end alone.

    With `steps`, or a `condition`, the solution tells the times (see `moments`).
    """

    name: str
    quantities: tuple[Quantity, ...]
    times: np.ndarray | None = None
    steps: int = 0
    condition: Condition | None = None

    @property
    def at_end(self) -> bool:
        """Whether the file holds the end alone."""
        return self.times is None and not self.steps and self.condition is None

    @property
    def fields(self) -> tuple[str, ...]:
        return tuple(q.name for q in self.quantities if q.is_field)

    @property
    def derived(self) -> tuple[Quantity, ...]:
        """What is no field."""
        return tuple(q for q in self.quantities if not q.is_field)

    def until(self, last: float) -> Target:
        """The file of a solution that ends at a time: without times after it, and with the end."""
        if self.times is None:
            return self
        return replace(self, times=np.unique([*self.times[self.times <= last], last]))


def output_targets(
    problem: Problem,
    system: System,
    values: Mapping[sympy.Symbol, float],
    *,
    steps: bool,
) -> tuple[list[Target], list[Diagnostic]]:
    """The files of a run, and outputs that no run can give (E620, E621, E622).

    `solution.h5` with all fields at the end joins where no rule names a file for the end.
    `steps`: whether the method takes steps in time, which `every 10 steps` counts.
    """
    found: list[Target] = []
    refused: list[Diagnostic] = []
    span = _time_span(problem, values)
    whole = tuple(_field(system, name) for name in system.fields)
    for rule in problem.output:
        quantities: list[Quantity] = []
        for number, output in enumerate(rule.outputs):
            label = rule.labels[number] if number < len(rule.labels) else ""
            unit = rule.units[number] if number < len(rule.units) else None
            if _is_stop(output):
                continue
            try:
                found_here = _quantities(output, label, system, values)
                quantities += [q if q.unit else replace(q, unit=unit) for q in found_here]
            except _CannotError as error:
                helps = error.helps or ("write a field, or an expression of fields: `u²`, `∫(u)`",)
                refused.append(Diagnostic("E621", error.message, rule.span, helps=helps))
        try:
            moments = _moments(rule, system, values, span, steps)
        except _CannotError as error:
            refused.append(Diagnostic("E620", error.message, rule.span, helps=error.helps))
            continue
        if rule.target is None:
            continue
        many = not moments.at_end and (moments.times is None or len(moments.times) > 1)
        if rule.target.lower().endswith((".vtu", ".xdmf")) and not system.space_symbols:
            refused.append(
                Diagnostic(
                    "E622",
                    "files of ParaView show places in space, and this problem has time alone",
                    rule.span, helps=("write a table over time, `.csv`, or `.h5`",),
                )
            )  # fmt: skip
        elif many and rule.target.endswith((".vtu", ".VTU")):
            refused.append(
                Diagnostic(
                    "E622", "a file `.vtu` holds one time", rule.span,
                    helps=(f'write "{rule.target[:-4]}.xdmf", which ParaView opens as a series',),
                )
            )  # fmt: skip
        elif quantities:
            own = _distinct(quantities)
            found.append(replace(moments, name=rule.target, quantities=own))
    if not any(t.name.endswith(".h5") and t.at_end for t in found):
        found.append(Target("solution.h5", whole))
    return found, refused


class _CannotError(Exception):
    def __init__(self, message: str, *helps: str):
        self.message, self.helps = message, helps
        super().__init__(message)


def _field(system: System, name: str) -> Quantity:
    units = {c: base_unit(f.unit) for f in system.problem.fields for c in f.components}
    return Quantity(
        name, name, system.space.symbol(system.space.jet(name)), True, unit=units.get(name)
    )


def _quantities(
    output: OptionValue, label: str, system: System, values: Mapping[sympy.Symbol, float]
) -> list[Quantity]:
    if isinstance(output, tuple):
        names = [s.name for s in system.space_symbols]
        own = names if len(names) == len(output) else [str(i + 1) for i in range(len(output))]
        vector = next(
            (f.name for f in system.problem.fields if f.components == _field_names(output)), None
        )
        return [
            quantity
            for component, part in zip(own, output, strict=True)
            for quantity in _quantities(
                part, f"({label or vector})_{component}" if vector is None else "", system, values
            )
        ]
    if isinstance(output, Choice):
        if output.name == "state":
            return [_field(system, name) for name in system.fields]
        if output.name in system.fields:
            return [_probe(output, label, system, values)]
        raise _CannotError(
            f"`{output.name}` cannot be written",
            "name fields: " + ", ".join(f"`{f}`" for f in system.fields),
        )
    name = getattr(getattr(output, "func", None), "__name__", "")
    if name in system.fields:
        return [_field(system, name)]
    if not isinstance(output, sympy.Expr):
        raise _CannotError(f"`{output}` is no quantity", "write a field, an expression, `∫(u²)`")
    return [_derived(output, label, system)]


def _field_names(output: tuple[OptionValue, ...]) -> tuple[str, ...]:
    return tuple(getattr(getattr(o, "func", None), "__name__", "") for o in output)


def _derived(output: sympy.Expr, label: str, system: System) -> Quantity:
    label = label or str(output)
    measures: list[Measure] = []
    sources: dict[sympy.Basic, sympy.Expr] = {
        system.space.symbol(system.space.jet(name)): value for name, value in system.sources.items()
    }

    def erased(expression: sympy.Expr) -> sympy.Expr:
        try:
            made = erase(expression, system.frame)
        except ErasureError as error:
            raise _CannotError(f"`{label}` cannot be written: {error}") from None
        return made.xreplace(sources)  # pyright: ignore[reportReturnType]

    replaced: dict[sympy.Basic, sympy.Expr] = {}
    for part in sympy.preorder_traversal(output):
        if not (isinstance(part, AppliedUndef) and part.func.__name__ in MEASURES):
            continue
        (inner,) = part.args
        if any(a.func.__name__ in MEASURES for a in inner.atoms(AppliedUndef)):
            raise _CannotError(
                "an integral of an integral cannot be written", "write the inner one on its own"
            )
        if part not in replaced:
            symbol = sympy.Dummy(part.func.__name__, real=True)
            measures.append(Measure(part.func.__name__, erased(inner), symbol))  # pyright: ignore[reportArgumentType]
            replaced[part] = symbol
    expression = erased(output.xreplace(replaced))  # pyright: ignore[reportArgumentType]
    known = {m.symbol for m in measures}
    for piece in (expression, *(m.expression for m in measures)):
        for symbol in piece.free_symbols - known:
            if str(symbol).startswith(NORMAL + "["):
                raise _CannotError(
                    "the normal is known on the boundary alone", "write it without `n`"
                )
        for jet in system.space.jets(piece):
            if jet.field not in system.fields:
                raise _CannotError(
                    f"`{jet.field}` is no field of the solution",
                    "name fields: " + ", ".join(f"`{f}`" for f in system.fields),
                )
    place = set(system.space_symbols)
    local = bool(system.space.jets(expression)) or bool(expression.free_symbols & place)
    return Quantity(
        file_name(label), label, expression, is_number=not local, measures=tuple(measures)
    )


def _probe(
    output: Choice, label: str, system: System, values: Mapping[sympy.Symbol, float]
) -> Quantity:
    known = [s.name for s in system.space.coordinates]
    given: dict[str, float] = {}
    for name, value in output.options:
        if name not in known or isinstance(value, Choice | str | bool | tuple):
            raise _CannotError(
                f"`{name}` is no coordinate with a number",
                "write " + _probe_help(output.name, system),
            )
        number = value if isinstance(value, sympy.Expr) else sympy.Float(value)
        try:
            given[name] = numeric_value(number, values, output.span, "a place")
        except ProblemError:
            raise _CannotError(f"`{name}` has no value") from None
    missing = [s.name for s in system.space_symbols if s.name not in given]
    if missing:
        raise _CannotError(
            f"the place of `{output.name}(…)` lacks {', '.join(f'`{m}`' for m in missing)}",
            "write " + _probe_help(output.name, system),
        )
    own = _field(system, output.name)
    label = label or f"{output.name}({', '.join(f'{n}={v:g}' for n, v in given.items())})"
    return Quantity(
        file_name(label), label, own.expression, is_number=True, place=tuple(given.items()),
        unit=own.unit,
    )  # fmt: skip


def _probe_help(field: str, system: System) -> str:
    return f"`{field}({', '.join(f'{s.name}=0' for s in system.space_symbols)})`"


_SIGNS = {
    "∂": "d", "∇²": "lap_", "∇": "grad_", "∫": "integral_", "□": "box_", "²": "2", "³": "3",
    "*": "_times_", "/": "_over_", "+": "_plus_", "-": "_minus_", "·": "_dot_", "=": "_",
}  # fmt: skip


def file_name(label: str) -> str:
    """A label as a name of letters, digits and underscores, `∂x u` as `dx_u`."""
    for sign, words in _SIGNS.items():
        label = label.replace(sign, words)
    name = re.sub(r"[^\w]+", "_", label).strip("_")
    name = re.sub(r"_{2,}", "_", name)
    return name if name and not name[0].isdigit() else f"value_{name}"


def _distinct(quantities: Sequence[Quantity]) -> tuple[Quantity, ...]:
    """Each once, and no two under one name."""
    found: dict[str, Quantity] = {}
    for quantity in dict.fromkeys(quantities):
        name, count = quantity.name, 1
        while name in found:
            if (
                found[name].expression == quantity.expression
                and found[name].place == quantity.place
            ):
                break
            count += 1
            name = f"{quantity.name}_{count}"
        if name not in found:
            found[name] = (
                quantity
                if name == quantity.name
                else Quantity(
                    name, quantity.label, quantity.expression, quantity.is_field,
                    quantity.is_number, quantity.measures, quantity.place, quantity.unit,
                )
            )  # fmt: skip
    return tuple(found.values())


def _time_span(
    problem: Problem, values: Mapping[sympy.Symbol, float]
) -> tuple[float, float] | None:
    time = problem.time
    if time is None or time.lower is None or time.upper is None:
        return None
    try:
        first, last = (numeric_value(b, values, time.span, "a time")
                       for b in (time.lower, time.upper))  # fmt: skip
    except ProblemError:
        return None  # reported where the problem is checked
    return first, last


def stop_conditions(
    problem: Problem, system: System, values: Mapping[sympy.Symbol, float]
) -> list[Condition]:
    """The conditions of `when …: stop`."""
    return [
        _condition(rule, system, values)
        for rule in problem.output
        if rule.kind == "when" and any(_is_stop(o) for o in rule.outputs)
    ]


def _is_stop(output: OptionValue) -> bool:
    return isinstance(output, Choice) and output.name == "stop"


def _moments(
    rule: OutputRule,
    system: System,
    values: Mapping[sympy.Symbol, float],
    span: tuple[float, float] | None,
    steps: bool,
) -> Target:
    """A file without a name that has the times of a rule, or what tells them."""
    trigger = rule.trigger
    if isinstance(trigger, Choice) and trigger.name == "end" and rule.kind == "at":
        return Target("", ())
    at_end = 'or at the end, `at end: u -> "u.h5"`'
    if span is None:
        raise _CannotError("the problem has no time, so there is an end alone", at_end[3:])
    helps = ('write it at times, `every 0.1: u -> "u.h5"`', at_end)
    if rule.kind == "when":
        return Target("", (), condition=_condition(rule, system, values))
    if any(_is_stop(o) for o in rule.outputs):
        raise _CannotError(
            "a run stops on a condition", "`when max(u) > 10: stop`, or end `domain:` earlier"
        )
    if isinstance(trigger, Choice) and trigger.name == "steps" and rule.kind == "every":
        if not steps:
            raise _CannotError("this method takes no steps in time that could be counted", *helps)
        (given,) = trigger.positional
        number = given if isinstance(given, sympy.Expr) else sympy.Float(given)
        count = numeric_value(number, values, rule.span, "a number of steps")
        if count < 1 or count != int(count):
            raise _CannotError(f"{count:g} is no number of steps", "`every 10 steps`")
        return Target("", (), steps=int(count))
    times = rule_times(rule, values, span)
    if times is None:
        raise _CannotError(
            f"these times of output cannot be: they are positive intervals, or times from "
            f"{span[0]:g} to {span[1]:g}", *helps,
        )  # fmt: skip
    return Target("", (), times)


def _condition(rule: OutputRule, system: System, values: Mapping[sympy.Symbol, float]) -> Condition:
    """`when max(u) > 1` as a margin that is not negative where it holds."""
    trigger = rule.trigger
    help_text = "compare numbers, `when max(u) > 1: …` or `when u(x=0.5) < 0.1: …`"
    if not isinstance(trigger, Choice) or trigger.name not in ("<", "<=", ">", ">="):
        raise _CannotError("output on a condition needs an inequality", help_text)
    sides = []
    for side in trigger.positional:
        if isinstance(side, Choice):
            sides.append(_probe(side, "", system, values))
        elif isinstance(side, sympy.Expr):
            sides.append(_derived(side, rule.condition, system))
        else:
            raise _CannotError(f"`{side}` is no number", help_text)
    greater, smaller = sides if trigger.name in (">", ">=") else reversed(sides)
    if system.space_symbols and not (greater.is_number and smaller.is_number):
        raise _CannotError(
            f"`{rule.condition}` differs from place to place, and a moment is one for all of them",
            help_text,
        )
    places = {q.place for q in sides if q.place}
    time = "" if system.time_symbol is None else system.time_symbol.name
    if len(places) > 1 or any(time in dict(p) for p in places):
        raise _CannotError("a condition looks at one place, at the time itself", help_text)
    margin = Quantity(
        "margin",
        rule.condition,
        greater.expression - smaller.expression,  # pyright: ignore[reportArgumentType]
        is_number=True,
        measures=(*greater.measures, *smaller.measures),
        place=next(iter(places), ()),
    )
    return Condition(margin, rule.condition)
