"""When results are asked for: the times of the block `output`."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import sympy

from pdesl.symbolic.domain import numeric_value
from pdesl.symbolic.problem import Choice, OutputRule, Problem

__all__ = ["output_times", "rule_times"]

# Times of one rule at most.
MOST_TIMES = 100_000


def rule_times(
    rule: OutputRule, values: Mapping[sympy.Symbol, float], span: tuple[float, float]
) -> np.ndarray | None:
    """The times of a rule in ascending order: `every 0.1` from the start on, `at 0.5`, `at end`.

    None for a rule that is no matter of times (`when …`, `every 10 steps`), an interval that is
    not positive, times outside of the range, and more times than can be kept.
    """
    trigger = rule.trigger
    first, last = span
    if isinstance(trigger, Choice):
        return np.array([last]) if trigger.name == "end" and rule.kind == "at" else None
    given = trigger if isinstance(trigger, tuple) else (trigger,)
    numbers = []
    for item in given:
        if isinstance(item, Choice | str | bool | tuple):
            return None
        expression = item if isinstance(item, sympy.Expr) else sympy.Float(item)
        numbers.append(numeric_value(expression, values, rule.span, "a time"))
    if rule.kind == "at":
        found = np.unique(np.array(numbers, dtype=float))
        return found if first <= found[0] and found[-1] <= last else None
    if rule.kind != "every" or len(numbers) != 1 or not numbers[0] > 0:
        return None
    (interval,) = numbers
    if (last - first) / interval > MOST_TIMES:
        return None
    count = int(np.floor((last - first) / interval * (1 + 1e-12)))
    found = first + interval * np.arange(count + 1)
    if last - found[-1] < 1e-9 * interval:
        found[-1] = last
    return found


def output_times(
    problem: Problem, values: Mapping[sympy.Symbol, float], span: tuple[float, float]
) -> list[float]:
    """Every time at which the file asks for results, the last time included, without the first."""
    times = {span[1]}
    for rule in problem.output:
        own = rule_times(rule, values, span)
        if own is not None:
            times |= {float(t) for t in own}
    return sorted(t for t in times if t > span[0])
