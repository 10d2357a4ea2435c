"""Options: from syntax to plain values, and from plain values to a frozen dataclass.

A method's options are a frozen dataclass whose annotations and field metadata say what each may
be; `bind` checks a `Choice` against it. So an option is declared once, in the dataclass, and
every front (file, `--set`, Python, help) sees the same names, types, ranges and defaults.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import sympy

from pdesl.diagnostics import Diagnostic, ProblemError, Span
from pdesl.language import ast
from pdesl.language.names import canonical_name, suggest
from pdesl.symbolic.expressions import Translator
from pdesl.symbolic.functions import FUNCTIONS, constant_value
from pdesl.symbolic.operators import OPERATORS
from pdesl.symbolic.problem import Choice, OptionValue
from pdesl.symbolic.scope import components, mistake

__all__ = [
    "Loaded",
    "bind",
    "describe_options",
    "option",
    "option_value",
    "plain",
    "settings_of",
    "show_option",
]

T = TypeVar("T")


@dataclasses.dataclass(frozen=True, slots=True)
class Loaded:
    """An option that is read from a file, `load("nodes.csv")`."""

    path: str


def option(
    default: Any,
    words: str,
    *,
    choices: tuple[Any, ...] = (),
    least: float | None = None,
    most: float | None = None,
    above: float | None = None,
) -> Any:
    """A field of an options dataclass: its default, what it means, what it may be."""
    metadata = {"words": words, "choices": choices, "least": least, "most": most, "above": above}
    return dataclasses.field(default=default, metadata=metadata)


def option_value(node: ast.Expression, translator: Translator) -> OptionValue:
    """The plain value of an option: number, text, flag, expression, choice or tuple of these.

    A name that is declared in the file is an expression; any other name is a choice.
    Raises `Mistake`.
    """
    scope = translator.scope
    match node:
        case ast.String(value):
            return value
        case ast.Name(identifier) if identifier in ("true", "false"):
            return identifier == "true"
        case ast.Name(identifier) if identifier not in scope.values and identifier not in (
            "pi",
            "π",
        ):
            return Choice(identifier, span=node.span)
        case ast.TupleLiteral(items) | ast.ListLiteral(items):
            return tuple(option_value(item, translator) for item in items)
        case ast.Call(function, arguments, keywords) if _is_choice(function, translator):
            seen: dict[str, Span | None] = {}
            for keyword in keywords:
                if keyword.name in seen:
                    raise mistake("E506", f"`{keyword.name}` is given twice", keyword.span,
                                  "keep one of the two")  # fmt: skip
                seen[keyword.name] = keyword.span
            return Choice(
                function,
                tuple((k.name, option_value(k.value, translator)) for k in keywords),
                tuple(option_value(a, translator) for a in arguments),
                {k.name: k.span for k in keywords},
                span=node.span,
            )
    value = translator.value(node)
    if isinstance(value, sympy.MatrixBase):
        return tuple(plain(v) for v in components(value))
    return plain(value)


def _is_choice(function: str, translator: Translator) -> bool:
    if function in translator.scope.functions or function in translator.scope.values:
        return False
    return function not in FUNCTIONS and function not in OPERATORS


def plain(value: sympy.Expr) -> OptionValue:
    """A number without symbols as an int or float, anything else as it is."""
    if value.is_Integer:
        return int(value)
    if not value.free_symbols:
        number = constant_value(value)
        return value if number is None else number
    return value


def _wanted(annotation: Any) -> str:
    origin = typing.get_origin(annotation)
    if origin in (types.UnionType, typing.Union):
        parts = [a for a in typing.get_args(annotation) if a is not type(None)]
        return " or ".join(_wanted(a) for a in parts)
    if origin is tuple:
        return "a list"
    names = {
        int: "a whole number",
        float: "a number",
        str: "a name or text",
        bool: "true or false",
        sympy.Expr: "a formula in the coordinates",
        Loaded: '`load("file")`',
        Choice: "a name with options",
    }
    return names.get(annotation, getattr(annotation, "__name__", str(annotation)))


def _convert(value: OptionValue, annotation: Any) -> Any:
    """The value as the annotated type; raises TypeError when it is not one."""
    origin = typing.get_origin(annotation)
    if origin in (types.UnionType, typing.Union):
        candidates = typing.get_args(annotation)
        is_none = isinstance(value, Choice) and value.name == "none" and not value.options
        if is_none and type(None) in candidates:
            return None
        for candidate in candidates:
            if candidate is type(None):
                continue
            try:
                return _convert(value, candidate)
            except TypeError:
                continue
        raise TypeError
    if origin is tuple:
        inner = typing.get_args(annotation)[0]
        if isinstance(value, tuple):
            return tuple(_convert(v, inner) for v in value)
        raise TypeError
    if annotation is bool and isinstance(value, bool):
        return value
    if annotation is int and isinstance(value, int) and not isinstance(value, bool):
        return value
    if annotation is int and isinstance(value, float) and value.is_integer():
        return int(value)
    if annotation is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if annotation is str and isinstance(value, str):
        return value
    if annotation is str and isinstance(value, Choice) and not (value.options or value.positional):
        return value.name
    if annotation is sympy.Expr and isinstance(value, sympy.Expr):
        return value
    if annotation is Loaded and isinstance(value, Choice) and value.name == "load":
        if [type(v) for v in value.positional] == [str] and not value.options:
            return Loaded(str(value.positional[0]))
        raise TypeError
    if annotation is Choice and isinstance(value, Choice):
        return value
    if annotation is Choice and isinstance(value, str):
        return Choice(value)
    raise TypeError


def bind(
    options: type[T],
    choice: Choice,
    *,
    values: Mapping[sympy.Symbol, float] | None = None,
    what: str = "solver",
    elsewhere: Callable[[str], str | None] = lambda name: None,
) -> T:
    """An instance of an options dataclass from a choice, every option checked.

    Args:
        options: a frozen dataclass whose fields are made by `option`.
        choice: the chosen name with its options.
        values: values of parameters, for options that are written with them.
        elsewhere: where else an option of a name belongs, as advice for one that is unknown.

    Raises:
        ProblemError: unknown options (E502), options without names (E510), wrong types (E503) or
            ranges (E504), all at once.
    """
    annotations = typing.get_type_hints(options)
    fields = {f.name: f for f in dataclasses.fields(options)}  # type: ignore[arg-type]
    # Names in the tree of a file are canonical: `alpha` is α there.
    declared = {canonical_name(name): name for name in fields}
    diagnostics: list[Diagnostic] = []
    bound: dict[str, Any] = {}
    if choice.positional:
        diagnostics.append(
            Diagnostic(
                "E510", f"`{choice.name}` takes named options only", choice.span,
                helps=(f"write `{choice.name}({next(iter(fields))}=…)`",),
            )
        )  # fmt: skip
    for given, value in choice.options:
        span = choice.spans.get(given, choice.span)
        name = declared.get(given, given)
        if name not in fields:
            # In a block of its own the method is a setting like any other.
            guess = suggest(name, [*fields, *(["method"] if what == "solver" else [])])
            help_text = f"did you mean `{guess}`?" if guess else f"it has: {', '.join(fields)}"
            other = elsewhere(name)
            diagnostics.append(
                Diagnostic(
                    "E502", f"the {what} `{choice.name}` has no option `{name}`",
                    span,
                    helps=(help_text,) if other is None else (other, help_text),
                )
            )  # fmt: skip
            continue
        if isinstance(value, sympy.Expr) and values is not None:
            number = constant_value(value, values)
            value = value if number is None else number
        try:
            converted = _convert(value, annotations[name])
        except TypeError:
            diagnostics.append(
                Diagnostic(
                    "E503", f"`{name}` must be {_wanted(annotations[name])}", span,
                    helps=(f"its default is `{name}={show_option(fields[name].default)}`",),
                )
            )  # fmt: skip
            continue
        problem = _out_of_range(converted, fields[name].metadata)
        if problem:
            diagnostics.append(
                Diagnostic("E504", f"`{name}` must be {problem}", span,
                           helps=(f"its default is `{name}={show_option(fields[name].default)}`",))
            )  # fmt: skip
            continue
        bound[name] = converted
    if diagnostics:
        raise ProblemError(diagnostics)
    return options(**bound)


def show_option(value: Any) -> str:
    """A value as a file would have it."""
    if value is None:
        return "none"
    if isinstance(value, Choice):
        given = [f'"{v}"' if isinstance(v, str) else show_option(v) for v in value.positional]
        inner = ", ".join([*given, *(f"{name}={show_option(v)}" for name, v in value.options)])
        return f"{value.name}({inner})" if inner else value.name
    if isinstance(value, tuple):
        return f"[{', '.join(show_option(v) for v in value)}]"
    if isinstance(value, float):
        return f"{value:.12g}"
    if isinstance(value, Loaded):
        return f'load("{value.path}")'
    if isinstance(value, sympy.Basic):
        from pdesl.language.printer import format_expression
        from pdesl.symbolic.to_text import expression_to_syntax

        return format_expression(expression_to_syntax(value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _out_of_range(value: Any, metadata: Mapping[str, Any]) -> str:
    """What the value must be, empty when it is."""
    choices = metadata.get("choices") or ()
    if choices and value not in choices:
        return "one of " + ", ".join(f"`{c}`" for c in choices)
    for item in value if isinstance(value, tuple) else (value,):
        if isinstance(item, bool) or not isinstance(item, int | float):
            continue
        least, most, above = (metadata.get(k) for k in ("least", "most", "above"))
        if not (item == item and abs(item) != float("inf")):
            return "a finite number"
        if least is not None and item < least:
            return f"at least {least:g}"
        if above is not None and item <= above:
            return f"greater than {above:g}"
        if most is not None and item > most:
            return f"at most {most:g}"
    return ""


def describe_options(options: type) -> tuple[tuple[str, str, str], ...]:
    """(name, default, what it means) of every option, for help and documentation."""
    return tuple(
        (f.name, show_option(f.default), f.metadata.get("words", ""))
        for f in dataclasses.fields(options)
    )


def settings_of(options: Any) -> dict[str, object]:
    """Options as plain values, for the metrics."""
    found: dict[str, object] = {}
    for entry in dataclasses.fields(options):
        value = getattr(options, entry.name)
        told = isinstance(value, Choice | Loaded | sympy.Basic)
        found[entry.name] = show_option(value) if told else value
    return found
