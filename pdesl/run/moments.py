"""Moments of output that only a solution tells: every so many steps, and when something is true.

A condition is a margin, one number at each time, that is compared with zero. It becomes true where
the margin, looked at after every step and half-way between, changes its sign; bisection of the
continuous solution finds the time to `TOLERANCE` of the step.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pdesl.run.observables import Observer
from pdesl.run.outputs import Condition, Target
from pdesl.run.representation import Representation
from pdesl.run.time_samples import sample_times
from pdesl.solvers.base import Evaluate, SolverResult, Task

__all__ = ["Moments", "halting", "step_times"]

BISECTIONS = 40
TOLERANCE = 1e-9
#: Numbers that are evaluated at the most to look for a condition, at a time one of them.
MOST_LOOKED_AT = 1025


def step_times(task: Task, result: SolverResult) -> NDArray | None:
    """The first time and the time after every step; None for a method that takes no steps."""
    span = task.time_span
    if span is None or "time" not in result.history:
        return None
    ends = np.asarray(result.history["time"], float)
    return np.concatenate([[span[0]], ends[ends <= span[1] * (1 + 1e-12)]])


def halting(task: Task, conditions: Sequence[Condition]) -> Callable[[Evaluate, float], bool]:
    """A function that tells, of a state given as a function, whether one of the conditions holds.

    Conditions without derivatives alone; for others a run is cut once it is over.
    """
    plain = [c for c in conditions if not c.has_derivatives(task.system)]
    observer = Observer(task, lambda inputs: {}, None)  # one, since it makes its quadrature once

    def holds(evaluate: Evaluate, time: float) -> bool:
        observer.evaluate = evaluate
        return any(_margin(observer, c, np.array([time]))[0] >= 0.0 for c in plain)

    return holds


@dataclass(frozen=True, slots=True)
class Moments:
    """Where the conditions of one solution become true."""

    task: Task
    result: SolverResult
    function: Representation

    def first(self, conditions: Sequence[Condition]) -> tuple[float, Condition] | None:
        """When the first of the conditions becomes true, and which one it is."""
        found = [(times[0], c) for c in conditions if len(times := self.times_of(c))]
        return min(found, key=lambda f: f[0]) if found else None

    def resolved(self, target: Target) -> Target:
        """A file with its times, none of them where its condition is never true."""
        if target.steps:
            times = step_times(self.task, self.result)
            assert times is not None, "`output_targets` refuses methods without steps"
            return replace(target, times=times[:: target.steps], steps=0)
        if target.condition is not None:
            return replace(target, times=self.times_of(target.condition), condition=None)
        return target

    def times_of(self, condition: Condition) -> NDArray:
        """The times (k,) at which a condition becomes true, the first one if it is so from the
        start."""
        span = self.task.time_span
        assert span is not None
        observer = Observer(self.task, self.result.evaluate, self.function)
        steps = step_times(self.task, self.result)
        kept = None if steps is None else np.unique(np.clip([*steps, span[1]], *span))
        times = sample_times(kept, span, 1, MOST_LOOKED_AT)
        margins = _margin(observer, condition, times)
        holds = margins >= 0.0
        begin = np.flatnonzero(holds[1:] & ~holds[:-1])
        low, high = times[begin], times[begin + 1]
        for _ in range(BISECTIONS):
            open_ones = high - low > TOLERANCE * (times[begin + 1] - times[begin])
            if not open_ones.any():
                break
            middle = (low + high) / 2.0
            above = _margin(observer, condition, middle) >= 0.0
            low, high = np.where(above, low, middle), np.where(above, middle, high)
        return np.concatenate([times[:1], high]) if holds[0] else high


def _margin(observer: Observer, condition: Condition, times: NDArray) -> NDArray:
    if not len(times):
        return times
    return np.atleast_1d(observer.number(condition.margin, times, judged=False).values)
