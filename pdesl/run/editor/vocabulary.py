"""The words of the language with their meaning, from the tables of the compiler.

Completion, hover, the lexer, the grammar of the VS Code extension, its snippets and the reference
of the language are made of these, so that none of them can know less than the compiler.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from pdesl.language.names import GREEK

__all__ = ["BLOCK_WORDS", "SIGNS", "Word", "block_words", "nested_options", "signs", "vocabulary"]

#: What each block says, in the order of a file in print.
BLOCK_WORDS: Mapping[str, str] = MappingProxyType(
    {
        "domain": "regions, and which coordinates run over them",
        "parameters": "numbers with names, units, or `unknown(start=, bounds=)`",
        "let": "names for expressions",
        "metric": "the metric of a curved space or space-time",
        "fields": "what is solved for, and sources that are derived",
        "closure": "terms that are learned",
        "equations": "the equations; their sides carry no meaning",
        "manufactured": "an exact solution from which sources and data are derived",
        "boundary": "conditions, each on a part of the boundary",
        "initial": "conditions at the start",
        "data": "measurements that are read from files",
        "fit": "what the measurements are measurements of",
        "solver": "the method and its options",
        "verify": "a known solution or a reference, and bounds that the result must meet",
        "output": "files that are written, and when",
        "sweep": "values over which the problem is solved again",
        "reduce": "an ansatz that separates coordinates off",
        "profile": 'settings under a name, applied by `--profile "NAME"`',
    }
)

#: Names, as LaTeX has them, of signs that a keyboard lacks.
SIGNS: Mapping[str, str] = MappingProxyType(
    {
        "partial": "∂", "nabla": "∇", "grad": "∇", "div": "∇·", "curl": "∇×", "lap": "∇²",
        "box": "□", "square": "□", "in": "∈", "approx": "≈", "leq": "≤", "le": "≤", "geq": "≥",
        "ge": "≥", "pm": "±", "cdot": "·", "times": "×", "int": "∫", "infty": "∞", "to": "→",
        "^0": "⁰", "^1": "¹", "^2": "²", "^3": "³", "^4": "⁴", "^5": "⁵", "^6": "⁶", "^7": "⁷",
        "^8": "⁸", "^9": "⁹", "^-": "⁻",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Word:
    """A word of the language.

    `kind` is `block`, `operator`, `function`, `shape`, `metric`, `method`, `option`, `type`,
    `form` or `keyword`; `signature` how it is written; `owner` whose option it is.
    """

    name: str
    kind: str
    words: str
    signature: str = ""
    owner: str = ""


_TYPES = {
    "scalar": "a field with one value at each place",
    "vector": "a field with a component for each spatial coordinate",
    "source": "a field that is derived from the known solution",
    "tensor": "a field with indices, A_{μν}",
    "symmetric": "a tensor that does not change when two indices are swapped",
    "antisymmetric": "a tensor that changes its sign when two indices are swapped",
}
_FORMS = {
    "exact": "the known solution of a field, or of an expression",
    "unknown": "a number to be found: unknown(start=1, bounds=(0, 3))",
    "periodic": "a coordinate that closes on itself: x ∈ periodic(0, 1)",
    "load": "data or nodes from a file",
    "stiff": "the terms that an implicit method takes",
    "nonstiff": "the terms that an explicit method takes",
    "integral": "∫(f) over the domain, for `output:`",
    "mean": "the mean over a family of coordinates, or over the domain in `output:`",
    "sum": "the sum over a family of coordinates or the components of a vector",
    "prod": "the product over a family of coordinates or the components of a vector",
    "norm": "the length of a vector; of a scalar in `output:` its L² norm over the domain",
    "dot": "the scalar product a · b",
    "cross": "the vector product a × b",
    "outer": "the tensor product a ⊗ b",
    "trace": "the trace of a tensor",
    "transpose": "the transpose of a tensor",
    "identity": "the unit tensor",
    "mlp": "a network that is learned, in `closure:`",
}
_KEYWORDS = {
    "on": "where a condition holds: u = 0 on ∂Ω",
    "in": "the twin of ∈",
    "every": "an output at equidistant times: every 0.1: u",
    "at": "an output at a time, or at the end: at end: u",
    "when": "an output on a condition",
    "end": "the last time",
}


def signs() -> dict[str, str]:
    """LaTeX names of all signs and Greek letters to the signs."""
    return {**GREEK, "varphi": "φ", "varepsilon": "ε", "vartheta": "θ", **SIGNS}


def block_words() -> tuple[Word, ...]:
    """The blocks."""
    return tuple(Word(name, "block", words) for name, words in BLOCK_WORDS.items())


def nested_options() -> Mapping[str, Mapping[str, type]]:
    """Options that are a choice with options of its own: the choices with their options."""
    from pdesl.solvers.options import NESTED

    return {name: table for name, (_, table) in NESTED.items()}


@cache
def vocabulary() -> tuple[Word, ...]:
    """Every word of the language that has a meaning of its own."""
    from pdesl.solvers.methods import METHODS
    from pdesl.symbolic.domain import SHAPES
    from pdesl.symbolic.functions import FUNCTIONS
    from pdesl.symbolic.metric import METRICS
    from pdesl.symbolic.operators import OPERATORS
    from pdesl.symbolic.options import describe_options

    found = [*block_words()]
    for operator in OPERATORS.values():
        paper = f"{operator.symbol}u" if operator.symbol else ""
        written = ", ".join(filter(None, (paper, f"{operator.name}(u)")))
        words = f"{operator.words} ({' and '.join(operator.takes)} → {operator.gives})"
        found.append(Word(operator.name, "operator", words, written))
    for function in FUNCTIONS.values():
        found.append(Word(function.name, "function", function.words, f"{function.name}(…)"))
    for shape in SHAPES.values():
        signature = f"{shape.name}({', '.join(shape.arguments)})"
        found.append(Word(shape.name, "shape", shape.words, signature))
        for name, kind in shape.arguments.items():
            found.append(Word(name, "option", f"{kind} of the shape", owner=shape.name))
    for metric in METRICS.values():
        options = ", ".join(f"{name}=" for name in metric.options)
        found.append(Word(metric.name, "metric", metric.words, f"{metric.name}({options})"))
        for name, option in metric.options.items():
            found.append(Word(name, "option", option.words, owner=metric.name))
        charts = ", ".join(f'"{name}"' for name in metric.charts)
        found.append(Word("chart", "option", f"one of {charts}", owner=metric.name))
    for method in METHODS.values():
        found.append(Word(method.name, "method", method.words, f"method = {method.name}()"))
        for name, default, words in describe_options(method.options):
            text = f"{words}; {default} by default"
            found.append(Word(name, "option", text, owner=method.name))
    for name, table in nested_options().items():
        for choice, kind in table.items():
            found.append(Word(choice, "choice", f"a choice of the option `{name}`", owner=name))
            for option, default, words in describe_options(kind):
                text = f"{words}; {default} by default"
                found.append(Word(option, "option", text, owner=choice))
    for kind, table in (("type", _TYPES), ("form", _FORMS), ("keyword", _KEYWORDS)):
        known = {word.name for word in found if not word.owner}
        found += [Word(n, kind, words) for n, words in table.items() if n not in known]
    return tuple(found)
