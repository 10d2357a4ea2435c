"""A file solved by another method than it names."""

from __future__ import annotations

from pdesl.run.progress import Observer
from pdesl.solvers.methods import METHODS, Method
from pdesl.symbolic.options import describe_options
from pdesl.symbolic.problem import Choice

__all__ = ["shared_options"]


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
