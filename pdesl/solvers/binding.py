"""Choices inside a method's options, such as its optimiser, bound to their own options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sympy

from pdesl.diagnostics import Diagnostic, ProblemError, Span
from pdesl.language.names import suggest
from pdesl.solvers.node_options import without_default_count
from pdesl.solvers.options import NESTED
from pdesl.symbolic.options import bind, describe_options
from pdesl.symbolic.problem import Choice

__all__ = ["bind_nested"]


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
