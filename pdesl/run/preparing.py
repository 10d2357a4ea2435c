"""From a text and settings to a task that a method has accepted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pdesl.diagnostics import (
    CapabilityError,
    Diagnostic,
    ProblemError,
    Severity,
    Source,
    render,
)
from pdesl.ir.facts import facts, verify
from pdesl.ir.normalise import normalise
from pdesl.ir.reduction import reduce_problem
from pdesl.run.file_names import name_mistakes
from pdesl.run.known import Known
from pdesl.run.memory import device_memory
from pdesl.run.progress import Observer, SilentObserver
from pdesl.run.progress import stage as observed
from pdesl.run.words import kind_words
from pdesl.solvers.division import division_mistakes
from pdesl.solvers.memory_estimate import memory_mistake
from pdesl.solvers.methods import (
    METHODS,
    Method,
    bind_options,
    choose_method,
    method_named,
    requirements,
    size_mistakes,
)
from pdesl.symbolic.domain import make_region
from pdesl.symbolic.elaborate import elaborate_source
from pdesl.symbolic.options import describe_options
from pdesl.symbolic.problem import Choice, Problem

if TYPE_CHECKING:
    from pdesl.run.metrics import FieldError
    from pdesl.solvers.base import Memory, Monitor, Snapshot, Task

__all__ = ["Ready", "is_wrong", "make_ready", "monitored", "prepare", "shared_options"]


def is_wrong(found: Sequence[Diagnostic]) -> bool:
    """Whether an error is among diagnostics."""
    return any(d.severity is Severity.ERROR for d in found)


@dataclass(frozen=True, slots=True)
class Ready:
    """A problem that a method has accepted."""

    source: Source
    task: Task
    method: Method
    settings: tuple[str, ...]

    def remembering(self, memory: Memory) -> Ready:
        """The same with a place for its state."""
        return replace(self, task=replace(self.task, memory=memory))


def make_ready(
    source: Source | Problem,
    solver: str | None,
    overrides: Sequence[str],
    profile: str | None,
    seed: int | None,
    observer: Observer,
    timings: dict[str, float],
    devices: int = 1,
    memory: float | None = None,
) -> Ready:
    """A task and the method for it; arguments and errors as for `pipeline.run`."""
    from pdesl.solvers.base import Task

    with observed(observer, "compile", timings) as note:
        settings = list(overrides)
        if seed is not None:
            settings.append(f"solver.seed={seed}")
        if solver is not None:
            method_named(solver)
            settings.append(f"solver.method={solver}")
        if isinstance(source, Problem):
            folder = source.source.folder if source.source is not None else ""
            source = Source(source.name, source.to_pde(), folder)
        problem = reduce_problem(elaborate_source(source, settings, profile))
        system = normalise(problem)
        found = [*verify(system), *name_mistakes(problem)]
        if is_wrong(found):
            raise ProblemError([*problem.warnings, *found])
        method, choice = choose_method(problem, system)
        if solver is not None:
            choice = shared_options(choice, method, observer)
        values = problem.parameter_values()
        options = bind_options(method, choice, values)
        sizes = size_mistakes(method, system, choice, options)
        if sizes:
            raise ProblemError(sizes)
        reasons = requirements(method, system, options)
        if not reasons and devices > 1:
            reasons = division_mistakes(method, system, options, values)
        if not reasons:
            limit = device_memory(devices) if memory is None else memory
            large = memory_mistake(method, system, choice, options, values, limit, devices)
            reasons = [] if large is None else [large]
        if reasons:
            raise CapabilityError(reasons)
        region = make_region(problem.shape, system.space_symbols, values)
        note.text = f"{method.name}: {kind_words(facts(system))}"
    for warning in (*problem.warnings, *found):
        observer.say(render(warning))
    return Ready(
        source, Task(system, region, values, options, devices=devices), method, tuple(settings)
    )


def prepare(
    source: Source, *, solver: str | None, overrides: Sequence[str], profile: str | None
) -> Task:
    """The task that a text states, checked; arguments and errors as for `run`."""
    found = make_ready(
        source, solver, overrides, profile, None, SilentObserver(), {}, memory=float("inf")
    )
    return found.task


def monitored(task: Task, method: Method, monitor: Monitor, known: Known | None) -> Task:
    """The task with a monitor whose snapshots can measure their errors."""
    if not method.trains:
        raise ValueError(f"`{method.name}` does not train: there is nothing to monitor")
    from pdesl.run.results import make_measure

    measured = make_measure(task, known)

    def look(snapshot: Snapshot) -> bool | None:
        def errors() -> Mapping[str, FieldError]:
            return measured(snapshot.evaluate)[0]

        return monitor.function(replace(snapshot, errors=errors))

    return replace(task, monitor=replace(monitor, function=look))


def shared_options(choice: Choice, method: Method, observer: Observer) -> Choice:
    """The options that another method than the file's has too; those it lacks are named.

    What is no option of any method stays, and is then refused.
    """
    own = {name for name, _, _ in describe_options(method.options)}
    known = {n for m in METHODS.values() for n, _, _ in describe_options(m.options)}
    dropped = [n for n, _ in choice.options if n in known - own]
    if dropped:
        observer.say(f"{method.name} has no option {', '.join(dropped)}: left out")
    kept = tuple((n, v) for n, v in choice.options if n not in dropped)
    return Choice(choice.name, kept, choice.positional, choice.spans, span=choice.span)
