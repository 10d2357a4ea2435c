"""What every method takes and gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import sympy

from pdesl.ir.system import System
from pdesl.symbolic.domain import numeric_value

if TYPE_CHECKING:
    from pdesl.lowering.cloud import Cloud
    from pdesl.symbolic.geometry import Region

__all__ = [
    "Evaluate",
    "Memory",
    "Monitor",
    "Reporter",
    "Snapshot",
    "SolverResult",
    "Task",
    "TrainingReport",
    "input_box",
]

#: Inputs (n, coordinates of the problem, in its order) → field → (n,), float64.
Evaluate = Callable[[np.ndarray], dict[str, np.ndarray]]


def _no_errors() -> Mapping[str, Any]:
    return {}


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A training as it stands: what a `Monitor` is given.

    Attributes:
        iteration, evaluations: done so far; an evaluation is a loss with its gradient.
        seconds: wall-clock seconds of training so far, without compilation and without the
            monitor's own time.
        cpu_seconds: the same in CPU seconds of all threads.
        loss: the lowest loss so far.
        evaluate: the network of that loss, which would be returned now.
        errors: of this network by field, against the known solution on the test points of the
            run (`relative_l2`, `linf`); empty where no solution is known.
    """

    iteration: int
    evaluations: int
    seconds: float
    cpu_seconds: float
    loss: float
    evaluate: Evaluate
    errors: Callable[[], Mapping[str, Any]] = _no_errors


@dataclass(frozen=True, slots=True)
class Monitor:
    """Watches a training from outside its clock.

    Attributes:
        function: called with a `Snapshot`; returning True stops the training.
        every: iterations between two calls; a last call comes at the end.
    """

    function: Callable[[Snapshot], bool | None]
    every: int = 50

    def __post_init__(self) -> None:
        if not isinstance(self.every, int) or isinstance(self.every, bool) or self.every < 1:
            raise ValueError(f"a monitor looks every 1, 2, … iterations, not {self.every!r}")


@dataclass(frozen=True, slots=True)
class TrainingReport:
    """Where a training stands, or a course of steps; see `run.progress.TrainingProgress`.

    `loss` is the value of the `quantity` that is shown.
    """

    iteration: int
    loss: float
    elapsed: float
    iterations: int | None
    seconds_limit: float | None
    phase: str
    quantity: str = "loss"


class Memory(Protocol):
    """Where a method of long runs keeps its state, so that a killed run can go on from it."""

    def load(self) -> Mapping[str, np.ndarray] | None:
        """What was saved, when this run resumes another; else None, or nothing."""
        ...

    def save(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Keep these arrays in place of those before, as a whole or not at all."""
        ...


@dataclass(frozen=True, slots=True)
class Reporter:
    """How a method tells what it does: stages with their seconds, the training, remarks."""

    stage: Callable[[str], Any]
    train: Callable[[TrainingReport], None]
    say: Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Task:
    """A system to be solved: `values` holds a number for every parameter.

    `monitor` is for methods that train (`Method.trains`), `memory` for those whose runs may be
    long: others begin anew when they are resumed. `until` is the time that a solution ends at
    before the problem does. `devices` is how many devices the work is divided among
    (`division.division_mistakes`).
    `halt` tells of a state, a function of the inputs, and of its time whether a method that steps
    in time (`Method.evolving`) need go no further.
    """

    system: System
    region: Region
    values: Mapping[sympy.Symbol, float]
    options: Any
    monitor: Monitor | None = None
    memory: Memory | None = None
    until: float | None = None
    devices: int = 1
    halt: Callable[[Evaluate, float], bool] | None = None

    @property
    def periods(self) -> list[float | None] | None:
        """The period of every spatial direction, None for a direction (or all) without one."""
        lower, upper = self.region.bounding_box()
        flags = [c.periodic for c in self.system.problem.space]
        if not any(flags):
            return None
        return [float(b - a) if f else None for a, b, f in zip(lower, upper, flags, strict=True)]

    @property
    def time_span(self) -> tuple[float, float] | None:
        """First and last time (at most `until`), None for a steady problem."""
        time = self.system.problem.time
        if time is None:
            return None
        assert time.lower is not None
        assert time.upper is not None
        first = numeric_value(time.lower, self.values, time.span, "a time")
        last = numeric_value(time.upper, self.values, time.span, "a time")
        return first, last if self.until is None else min(last, self.until)


@dataclass(frozen=True, slots=True)
class SolverResult:
    """A solution and how it was found.

    Attributes:
        method: name of the method.
        evaluate: inputs (n, coordinates of the problem, in its order) → field → (n,), float64.
        cloud: the nodes.
        arrays: what rebuilds `evaluate`, by path.
        attributes: what rebuilds it beside the arrays.
        history: `iteration` and whatever was recorded for each, (k,).
        losses: the parts of the final loss by name, and their sum as `total`.
        counts, settings: for the metrics.
        stop_reason: why it ended, a sentence.
        interrupted: ended by Ctrl-C, with what was found up to then.
        compile_seconds: part of the training that went into compilation.
        times: time slices, for a problem with time.
        quality: numbers by which the discretisation may be judged, `stencil_condition`.
        reached: the time at which an evolution ended before the last time of the problem, by
            Ctrl-C or by a limit of its method; the solution is valid up to it. None else.
        compilation: what JAX traced and compiled; see `run.compilations`.
    """

    method: str
    evaluate: Evaluate
    cloud: Cloud
    arrays: Mapping[str, np.ndarray]
    attributes: Mapping[str, str | int | float]
    history: Mapping[str, np.ndarray]
    losses: Mapping[str, float]
    counts: Mapping[str, int]
    stop_reason: str
    interrupted: bool
    compile_seconds: float
    precision: str
    times: np.ndarray | None = None
    notes: tuple[str, ...] = field(default=())
    quality: Mapping[str, float] = field(default_factory=dict)
    reached: float | None = None
    compilation: Mapping[str, float] = field(default_factory=dict)


def input_box(task: Task) -> tuple[list[float], list[float]]:
    """Bounds of every coordinate of the problem, in its order."""
    lower, upper = (list(map(float, b)) for b in task.region.bounding_box())
    axis, span = task.system.frame.time_axis, task.time_span
    if axis is not None and span is not None:
        lower.insert(axis, span[0])
        upper.insert(axis, span[1])
    return lower, upper
