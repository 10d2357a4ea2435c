"""What a solution is compared with: a known solution, or a trusted run of another method.

`reference = METHOD(…)` in the block `verify` names a method whose solution stands for the exact
one. It is run twice, as stated and coarser by half; the difference of the two runs estimates the
error of the reference from above, and that is stated with every error measured against it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from pdesl.diagnostics import CapabilityError, Diagnostic, ProblemError
from pdesl.ir.evolution import to_evolution
from pdesl.ir.system import System
from pdesl.run.progress import Observer
from pdesl.run.progress import stage as observed
from pdesl.solvers.binding import bind_nested
from pdesl.solvers.line_choices import line_choices
from pdesl.solvers.methods import (
    Method,
    bind_options,
    method_named,
    requirements,
    size_mistakes,
)
from pdesl.solvers.options import NESTED, SPACE_OPTIONS, MethodOfLinesOptions
from pdesl.symbolic.options import Loaded, show_option
from pdesl.symbolic.problem import Choice, OptionValue, Problem

if TYPE_CHECKING:
    from pdesl.solvers.base import Evaluate, Task

__all__ = [
    "Known",
    "changes",
    "coarser",
    "differences",
    "exact_solution",
    "known_solution",
    "reference_choice",
    "reference_mistakes",
    "solve_again",
]

# Points at which a reference is compared with its coarser run.
REFERENCE_POINTS = 2000
EXACT = "the known solution"


@dataclass(frozen=True, slots=True)
class Known:
    """Values to compare with; `errors` estimates their own relative l2 errors by field.

    `against` names them; `words` tell of a reference run, empty for a known solution.
    """

    evaluate: Evaluate
    against: str = EXACT
    errors: Mapping[str, float] = field(default_factory=dict)
    words: tuple[str, ...] = ()


def exact_solution(task: Task) -> Evaluate | None:
    """The known solution as a function of inputs in the problem's order, of the fields it tells."""
    from pdesl.lowering.emit import evaluate_at
    from pdesl.lowering.places import Places

    system = task.system
    if not system.exact:
        return None
    axis = system.frame.time_axis
    fields = [f for f in system.fields if f in system.exact]

    def exact(inputs: np.ndarray) -> dict[str, np.ndarray]:
        times = None if axis is None else inputs[:, axis]
        points = inputs if axis is None else np.delete(inputs, axis, axis=1)
        values = evaluate_at(
            [system.exact[f] for f in fields],
            system,
            Places(points, None, times),
            task.values,
        )
        return {
            f: np.broadcast_to(np.asarray(v, float), (len(inputs),)).copy()
            for f, v in zip(fields, values, strict=True)
        }

    return exact


def known_solution(
    task: Task, observer: Observer | None = None, timings: dict[str, float] | None = None
) -> Known | None:
    """The known solution of a task, else its reference solved here, else None.

    Raises:
        ProblemError: the reference is wrong (E501 to E522).
        CapabilityError: the reference's method cannot solve the problem.
        SolverError: a run of the reference failed.
    """
    exact = exact_solution(task)
    if exact is not None:
        return Known(exact)
    choice = reference_choice(task.system.problem)
    if choice is None:
        return None
    found = reference_mistakes(task.system)
    if found:
        raise CapabilityError(found)
    from pdesl.run.progress import SilentObserver

    observer = SilentObserver() if observer is None else observer
    method = method_named(choice.name, choice.span)
    coarse = coarser(method, choice, task)
    with observed(observer, "reference", timings) as note:
        fine_run = solve_again(method, choice, task)
        coarse_run = solve_again(method, coarse, task)
        errors = differences(task, fine_run, coarse_run)
        note.text = show_option(choice)
    worst = max(errors.values(), default=0.0)
    words = (
        f"the reference, {show_option(choice)}, differs from a run with "
        f"{changes(choice, coarse) or 'the same options'} by "
        f"{worst:.1e}: its own error is below that",
    )
    return Known(fine_run, f"a reference run, {show_option(choice)}", errors, words)


def reference_choice(problem: Problem) -> Choice | None:
    """What `reference = …` in the block `verify` says."""
    for name, value in problem.verify_options:
        if name == "reference":
            return value if isinstance(value, Choice) else Choice("")
    return None


def reference_mistakes(system: System) -> list[Diagnostic]:
    """What is wrong with the reference of a file; empty without one.

    No method (E522), beside a known solution (E522), unknown (E501), with wrong options (E502 to
    E521), or one that cannot solve the problem (E6xx). Imports no JAX.
    """
    problem = system.problem
    choice = reference_choice(problem)
    if choice is None:
        return []
    span = choice.span or (problem.verify[0].span if problem.verify else None)
    if not choice.name:
        return [
            Diagnostic(
                "E522", "a reference is a method with its options", span,
                helps=("reference = method_of_lines(time=imex_rk4(dt=0.01))",),
            )
        ]  # fmt: skip
    if system.exact:
        return [
            Diagnostic(
                "E522", "the file states a known solution, so a reference is not used", span,
                helps=("remove the line `reference = …`, or the known solution",),
            )
        ]  # fmt: skip
    try:
        method = method_named(choice.name, choice.span)
        options = bind_options(method, choice, problem.parameter_values())
        found = [*size_mistakes(method, system, choice, options)]
        return found or [*requirements(method, system, options)]
    except ProblemError as error:
        return list(error.diagnostics)


# -- running it ----------------------------------------------------------------------------


def solve_again(method: Method, choice: Choice, task: Task) -> Evaluate:
    """The solution of a task by a method of one's choice, quietly."""
    from pdesl.run.reporting import silent_reporter

    options = bind_options(method, choice, dict(task.values))
    own = replace(task, options=options, monitor=None, memory=None)
    result = method.solve(own, silent_reporter())
    if result.interrupted:
        raise KeyboardInterrupt
    return result.evaluate


def differences(task: Task, fine: Evaluate, coarse: Evaluate) -> dict[str, float]:
    """Relative l2 differences by field, at test points and random times."""
    from pdesl.lowering.cloud import make_test_points
    from pdesl.lowering.places import join_time

    points = np.asarray(make_test_points(task.region, REFERENCE_POINTS, 2))
    span = task.time_span
    random = np.random.default_rng(2)
    times = None if span is None else random.uniform(*span, len(points))
    inputs = join_time(task.system, points, times)
    a, b = fine(inputs), coarse(inputs)
    return {
        name: float(np.linalg.norm(a[name] - b[name]) / max(np.linalg.norm(a[name]), 1e-300))
        for name in task.system.fields
    }


#: How each option that refines a discretisation is made coarser; nodes of a file stay.
_COARSER = {
    "nodes": lambda v: v if isinstance(v, Loaded) else max(int(v * 0.5), 4),
    "spacing": lambda v: 1.4 * v,
    "slices": lambda v: max(int(v * 0.5), 2),
    "points": lambda v: (
        tuple(max(int(n * 0.7), 4) for n in v) if isinstance(v, tuple) else max(int(v * 0.7), 4)
    ),
    "dt": lambda v: None if v is None else 2.0 * v,
    "rtol": lambda v: min(10.0 * v, 0.1),
}


def coarser(method: Method, choice: Choice, task: Task) -> Choice:
    """The same method with half the nodes, or twice the steps, wherever it has such an option."""
    options = bind_options(method, choice, dict(task.values))
    changed: dict[str, OptionValue] = dict(choice.options)
    for entry in dataclasses.fields(options):
        value = getattr(options, entry.name)
        if entry.name in _COARSER and value is not None:
            changed[entry.name] = _COARSER[entry.name](value)
        elif entry.name in NESTED and entry.name != "optimiser" and isinstance(value, Choice):
            changed[entry.name] = _coarser_inner(entry.name, value, options, task)
    return Choice(choice.name, tuple(changed.items()), (), {}, span=choice.span)


def _coarser_inner(name: str, value: Choice, options: Any, task: Task) -> Choice:
    if name == "space" and value.name == "automatic" and isinstance(options, MethodOfLinesOptions):
        found = line_choices(
            options, to_evolution(task.system, constraints=True), task.values
        ).space
        value = Choice(found) if found in SPACE_OPTIONS else value
    inner = bind_nested(name, value, task.values)
    known = dict(value.options)
    for entry in dataclasses.fields(inner):
        own = getattr(inner, entry.name)
        fixed = entry.name == "rtol" and getattr(inner, "dt", None) is not None
        if entry.name in _COARSER and own is not None and not fixed:
            known[entry.name] = _COARSER[entry.name](own)
    order = [entry.name for entry in dataclasses.fields(inner)]
    for number, own in enumerate(value.positional):
        known.setdefault(order[number], own)
    given = tuple((n, v) for n, v in known.items() if v is not None)
    return Choice(value.name, given, (), {}, span=value.span)


def changes(choice: Choice, coarse: Choice) -> str | None:
    """The options that differ, for people: `nodes=2500, dt=0.02`; None where none does."""
    found: list[str] = []

    def compare(a: Choice, b: Choice) -> None:
        before = dict(a.options)
        for name, value in b.options:
            own = before.get(name)
            if isinstance(value, Choice):
                compare(own if isinstance(own, Choice) else Choice(value.name), value)
            elif name in _COARSER and value != own:
                found.append(f"{name}={show_option(value)}")

    compare(choice, coarse)
    return ", ".join(found) or None
