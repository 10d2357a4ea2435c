"""Units of measure: from the trees that Lark makes of them to their canonical text.

The text has `*` for products, `/` for quotients and `^` for powers: `kg*m^2/s^2`.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Any

from pdesl.diagnostics import Diagnostic, Span
from pdesl.language import ast
from pdesl.language.declared import superscript_text
from pdesl.language.tokens import Mistake

__all__ = ["UnitMaker", "canonical_unit"]

_MICRO = re.compile(r"u(?=(m|s|g|A|V|W|F|H|J|K|L|l|N|C|S|T|mol|Pa|bar|eV|rad|Ω)$)")


def canonical_unit(text: str) -> str:
    """The one spelling of the name of a unit: `µm` and `um` are `μm`, `kohm` is `kΩ`."""
    name = unicodedata.normalize("NFKC", text)
    name = re.sub(r"(?<=^[kMGmμun])ohm$|^ohm$", "Ω", name)
    return _MICRO.sub("μ", name)


class UnitMaker:
    """One method for each rule of units in the grammar."""

    def make_unit(self, span: Span, parts: list[Any]) -> ast.Unit:
        text = parts[-1]
        if text.startswith("(") and text.endswith(")") and text.count("(") == 1:
            text = text[1:-1]
        return ast.Unit(text, span=span)

    def make_unit_name(self, span: Span, parts: list[Any]) -> str:
        return canonical_unit(str(parts[0]))

    def make_unit_number(self, span: Span, parts: list[Any]) -> str:
        return str(parts[0])

    def make_unit_degree(self, span: Span, parts: list[Any]) -> str:
        return f"deg{parts[1]}"

    def make_unit_percent(self, span: Span, parts: list[Any]) -> str:
        return "percent"

    def make_unit_brackets(self, span: Span, parts: list[Any]) -> str:
        inner = parts[-1]
        return f"({inner})" if "*" in inner or "/" in inner else inner

    def make_unit_multiply(self, span: Span, parts: list[Any]) -> str:
        right = parts[-1]
        if right.startswith("(") and "/" not in right:
            right = right[1:-1]
        return f"{parts[0]}*{right}"

    def make_unit_divide(self, span: Span, parts: list[Any]) -> str:
        return f"{parts[0]}/{parts[-1]}"

    def make_unit_superscript(self, span: Span, parts: list[Any]) -> str:
        return f"{parts[0]}^{superscript_text(parts[1]).lstrip('+')}"

    def make_unit_raise(self, span: Span, parts: list[Any]) -> str:
        return f"{parts[0]}^{parts[-1]}"

    def make_unit_exponent(self, span: Span, parts: list[Any]) -> str:
        for token in parts:
            if token.type == "NUMBER" and not token.isdecimal():
                raise Mistake(Diagnostic(
                    "E169", "a power of a unit is a whole number or a fraction of two", span,
                    helps=("write `m^2` or `m^(1/2)`",),
                ))  # fmt: skip
        text = "".join("-" if t.type == "MINUS" else "/" if t.type == "SLASH" else t for t in parts)
        return f"({text})" if "/" in text else text
