"""Small steps between a problem and its solution."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from pdesl.run.known import Known
from pdesl.run.progress import Observer
from pdesl.solvers.methods import METHODS, Method
from pdesl.symbolic.options import describe_options
from pdesl.symbolic.problem import Choice

if TYPE_CHECKING:
    from pdesl.run.metrics import FieldError
    from pdesl.solvers.base import Monitor, Snapshot, Task

__all__ = ["monitored", "shared_options"]


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
