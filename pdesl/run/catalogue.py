"""What pdesl knows, as rows of a name and a few words: for `pdesl list` and the documentation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

__all__ = ["KINDS", "first_comment", "rows"]

Rows = tuple[tuple[str, str], ...]


def _problems() -> Rows:
    from pdesl.resources import problems_folder

    return tuple(
        (path.stem, first_comment(path.read_text(encoding="utf-8")))
        for path in sorted(problems_folder().glob("*.pde"))
    )


def first_comment(text: str) -> str:
    """The comment that opens a file, on one line."""
    words: list[str] = []
    for line in text.splitlines():
        if line.startswith("#"):
            words.append(line.lstrip("# ").rstrip())
        elif words or (line.strip() and not line.startswith("pdesl ")):
            break
    return " ".join(words)


def _operators() -> Rows:
    from pdesl.symbolic.operators import OPERATORS

    return tuple(
        (
            operator.name,
            f"{operator.words} ({' and '.join(operator.takes)} → {operator.gives})"
            + (f", on paper {operator.symbol}" if operator.symbol else ""),
        )
        for operator in OPERATORS.values()
    )


def _functions() -> Rows:
    from pdesl.symbolic.functions import FUNCTIONS

    return tuple((function.name, function.words) for function in FUNCTIONS.values())


def _metrics() -> Rows:
    from pdesl.symbolic.metric import describe_metrics

    return describe_metrics()


def _shapes() -> Rows:
    from pdesl.symbolic.domain import SHAPES

    return tuple(
        (f"{shape.name}({', '.join(shape.arguments) or 'shape, …'})", shape.words)
        for shape in SHAPES.values()
    )


def _solvers() -> Rows:
    from pdesl.solvers.methods import METHODS
    from pdesl.symbolic.options import describe_options

    found: list[tuple[str, str]] = []
    for method in METHODS.values():
        found.append((method.name, method.words))
        for option, default, words in describe_options(method.options):
            found.append((f"{method.name}.{option}", f"{words}; {default} by default"))
    return tuple(found)


def _choices() -> Rows:
    from pdesl.solvers.options import NESTED
    from pdesl.symbolic.options import describe_options

    found: list[tuple[str, str]] = []
    for name, (what, table) in NESTED.items():
        for choice, kind in table.items():
            found.append((choice, f"{what}, for the option `{name}`"))
            for option, default, words in describe_options(kind):
                found.append((f"{choice}.{option}", f"{words}; {default} by default"))
    return tuple(found)


def _blocks() -> Rows:
    from pdesl.run.editor.vocabulary import BLOCK_WORDS

    return tuple(BLOCK_WORDS.items())


def _signs() -> Rows:
    from pdesl.run.editor.vocabulary import signs

    return tuple((f"\\{name}", sign) for name, sign in signs().items())


def _formats() -> Rows:
    from pdesl.run.io import WRITERS

    return tuple(
        (suffix, (write.__doc__ or "").strip().split("\n")[0]) for suffix, write in WRITERS.items()
    )


def _templates() -> Rows:
    from pdesl.run.templates import TEMPLATES

    return tuple((template.name, template.words) for template in TEMPLATES.values())


def _codes() -> Rows:
    from pdesl.codes import CODES

    return tuple((code.code, code.title) for code in CODES.values())


KINDS: Mapping[str, Callable[[], Rows]] = MappingProxyType(
    {
        "problems": _problems,
        "operators": _operators,
        "functions": _functions,
        "metrics": _metrics,
        "shapes": _shapes,
        "solvers": _solvers,
        "choices": _choices,
        "blocks": _blocks,
        "formats": _formats,
        "signs": _signs,
        "templates": _templates,
        "codes": _codes,
    }
)
"""What can be listed."""


def rows(kind: str) -> Rows:
    """Name and words of everything of a kind, in the order of its table."""
    return KINDS[kind]()
