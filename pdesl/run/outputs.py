"""What the block `output` asks for: files, each with its fields and, on the way, its times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy

from pdesl.diagnostics import Diagnostic, ProblemError
from pdesl.ir.system import System
from pdesl.solvers.schedule import rule_times
from pdesl.symbolic.domain import numeric_value
from pdesl.symbolic.problem import Choice, OutputRule, Problem

__all__ = ["Target", "output_targets"]


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """A file: its name, fields, and times (T,); None for the end alone."""

    name: str
    fields: tuple[str, ...]
    times: np.ndarray | None = None


def output_targets(
    problem: Problem, system: System, values: Mapping[sympy.Symbol, float]
) -> tuple[list[Target], list[Diagnostic]]:
    """The files of a run, and outputs that no run can give (E620, E621).

    `solution.h5` with all fields at the end joins where no rule names a file for the end.
    """
    found: list[Target] = []
    refused: list[Diagnostic] = []
    span = _time_span(problem, values)
    for rule in problem.output:
        fields = []
        for expression in _flat(rule.outputs):
            name = getattr(getattr(expression, "func", None), "__name__", "")
            if name in system.fields:
                fields.append(name)
            else:
                refused.append(
                    Diagnostic(
                        "E621",
                        "only fields can be written yet",
                        rule.span,
                        helps=("name fields: " + ", ".join(f"`{f}`" for f in system.fields),),
                    )
                )
        at_end = isinstance(rule.trigger, Choice) and rule.trigger.name == "end"
        times = None
        if not at_end:
            times = None if span is None else rule_times(rule, values, span)
            if times is None:
                refused.append(_untimed(rule, span))
                continue
        if fields and rule.target is not None:
            found.append(Target(rule.target, tuple(dict.fromkeys(fields)), times))
    if not any(t.name.endswith(".h5") and t.times is None for t in found):
        found.append(Target("solution.h5", system.fields))
    return found, refused


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


def _untimed(rule: OutputRule, span: tuple[float, float] | None) -> Diagnostic:
    if span is None:
        message = "the problem has no time, so there is an end alone"
    elif rule.kind == "when":
        message = "output on a condition cannot be written yet"
    elif isinstance(rule.trigger, Choice):
        message = "output after a number of steps cannot be written: methods choose their steps"
    else:
        message = (
            f"these times of output cannot be: they are positive intervals, or times from "
            f"{span[0]:g} to {span[1]:g}"
        )
    helps = ('write it at times, `every 0.1: u -> "u.h5"`',) if span else ()
    return Diagnostic(
        "E620", message, rule.span, helps=(*helps, 'or at the end, `at end: u -> "u.h5"`')
    )


def _flat(values: Sequence[Any]) -> list[Any]:
    return [e for v in values for e in (_flat(v) if isinstance(v, tuple) else [v])]
