"""Options of methods from choices, and of choices inside them, such as the optimiser."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import sympy

from pdesl.diagnostics import Diagnostic, ProblemError, Span
from pdesl.language.names import suggest
from pdesl.solvers.node_options import without_default_count
from pdesl.solvers.options import NESTED
from pdesl.symbolic.options import bind, describe_options
from pdesl.symbolic.problem import Choice

if TYPE_CHECKING:
    from pdesl.solvers.methods import Method

__all__ = ["bind_nested", "bind_options"]


def bind_options(method: Method, choice: Choice, values: dict[sympy.Symbol, float]) -> Any:
    """The options of a method from a choice.

    Raises:
        ProblemError: unknown options, types or ranges (E502 to E504, E510), all at once; an
            optimiser, discretisation or integrator that does not exist (E515).
    """
    own = Choice(method.name, choice.options, choice.positional, choice.spans, span=choice.span)
    found: list[Diagnostic] = []
    options: Any = None
    try:
        options = bind(
            method.options, own, values=values, elsewhere=lambda name: _inner_option(method, name)
        )
    except ProblemError as error:
        found += error.diagnostics
    known = {name for name, _, _ in describe_options(method.options)}
    for name in NESTED:
        inner = choice.get(name)
        inner = Choice(inner) if isinstance(inner, str) else inner
        if name in known and isinstance(inner, Choice):
            own_table = f"{method.name}.{name}"
            table = own_table if own_table in NESTED else name
            try:
                bind_nested(table, inner, values, choice.spans.get(name, choice.span))
            except ProblemError as error:
                found += error.diagnostics
    if found:
        raise ProblemError(found)
    return without_default_count(options, choice)


def _inner_option(method: Method, name: str) -> str | None:
    """Advice for an option that belongs to a choice inside a method's options."""
    for outer, _, _ in describe_options(method.options):
        own = f"{method.name}.{outer}"
        _, table = NESTED.get(own, NESTED.get(outer, ("", {})))
        for kind, options in table.items():
            if name in {inner for inner, _, _ in describe_options(options)}:
                return f"`{name}` belongs to `{outer}`: `{outer}={kind}({name}=…)`"
    return None


def bind_nested(
    name: str, choice: Choice, values: Mapping[sympy.Symbol, float], span: Span | None = None
) -> Any:
    """The options of a choice inside a method's options, such as its optimiser.

    Values without names stand for the options in their order.

    Raises:
        ProblemError: no such choice (E515), or its options are wrong (E502 to E504, E510).
    """
    what, table = NESTED[name]
    if choice.name not in table:
        guess = suggest(choice.name, list(table))
        advice = f"did you mean `{guess}`?" if guess else f"there are: {', '.join(table)}"
        raise ProblemError(
            [
                Diagnostic(
                    "E515",
                    f"there is no {what} `{choice.name}`",
                    span or choice.span,
                    helps=(advice,),
                )
            ]
        )
    kind = table[choice.name]
    order = [n for n, _, _ in describe_options(kind)]
    named = tuple(zip(order, choice.positional, strict=False))
    if (
        choice.positional
        and len(named) == len(choice.positional)
        and not ({n for n, _ in named} & {n for n, _ in choice.options})
    ):
        choice = Choice(choice.name, (*named, *choice.options), (), choice.spans, span=choice.span)
    return without_default_count(bind(kind, choice, values=values, what=what), choice)
