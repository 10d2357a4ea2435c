"""Refuses what paper leaves open, with the readings to paste.

The trees of Lark still know which brackets were written, so the check runs on them, before the
syntax tree is built.
"""

from __future__ import annotations

from lark import Token, Tree

from pdesl.diagnostics import Diagnostic, Source, Span
from pdesl.language.declared import Declared
from pdesl.language.names import ELEMENTARY_FUNCTIONS, canonical_name
from pdesl.language.tokens import Mistake

__all__ = ["check_ambiguities"]

_PRODUCTS = ("juxtapose", "multiply", "divide", "dot", "cross")


def check_ambiguities(tree: Tree[Token], source: Source, declared: Declared) -> None:
    """Refuse the first product of a line that can be read in two ways.

    Raises:
        Mistake: with both readings as helps.
    """
    stack: list[Tree[Token]] = [tree]
    while stack:
        node = stack.pop()
        if node.data == "juxtapose":
            terms: list[Tree[Token]] = []
            while node.data == "juxtapose":
                first, last = node.children
                assert isinstance(first, Tree)
                assert isinstance(last, Tree)
                terms.append(last)
                node = first
            terms.append(node)
            terms.reverse()
            _check_product(terms, source, declared)
            stack += reversed(terms)
        elif node.data == "unit_multiply":
            _check_unit(node, source)
            stack += [child for child in node.children if isinstance(child, Tree)]
        else:
            stack += [child for child in reversed(node.children) if isinstance(child, Tree)]


def _span(source: Source, first: Tree[Token], last: Tree[Token] | None = None) -> Span:
    return Span(source, first.meta.start_pos, (last or first).meta.end_pos)


def _two_readings(code: str, span: Span, one: str, other: str, words: str = "") -> Mistake:
    return Mistake(Diagnostic(
        code,
        f"`{_short(span.text)}` can be read in two ways",
        span,
        label=words,
        helps=(f"write `{_short(one)}`", f"or `{_short(other)}`"),
    ))  # fmt: skip


def _short(text: str) -> str:
    plain = " ".join(text.split())
    return plain if len(plain) <= 120 else f"{plain[:60]} … {plain[-50:]}"


def _bare(text: str) -> str:
    """A text in brackets of its own, once."""
    return text if text.startswith("(") and text.endswith(")") else f"({text})"


def _last_factor(node: Tree[Token]) -> Tree[Token]:
    if node.data in _PRODUCTS:
        child = node.children[-1]
        assert isinstance(child, Tree)
        return child
    return node


def _check_product(terms: list[Tree[Token]], source: Source, declared: Declared) -> None:
    base, rest = terms[0], terms[1:]
    whole = _span(source, base, rest[-1])
    tail = _span(source, rest[0], rest[-1]).text
    if base.data == "divide":
        above, below = base.children[0], base.children[-1]
        assert isinstance(above, Tree)
        assert isinstance(below, Tree)
        upper, lower = _span(source, above).text, _span(source, below).text
        raise _two_readings("E140", whole, f"({upper}/{lower}) {tail}", f"{upper}/({lower} {tail})")
    if base.data in ("dot", "cross"):
        left, right = base.children[0], base.children[-1]
        assert isinstance(left, Tree)
        assert isinstance(right, Tree)
        sign = "·" if base.data == "dot" else "×"
        one, two = _span(source, left).text, _span(source, right).text
        raise _two_readings(
            "E147", whole, f"({one} {sign} {two}) {tail}", f"{one} {sign} ({two} {tail})"
        )
    factors = [_last_factor(base), *rest]
    for index, factor in enumerate(factors[:-1]):
        following = _span(source, factors[index + 1], factors[-1]).text
        if factor.data == "apply" and _is_spaced(factor):
            operator, operand = _prefix_and_operand(factor, source)
            text = _span(source, factor).text
            raise _two_readings(
                "E141", _span(source, factor, factors[-1]),
                f"({text}) {following}", f"{operator}({operand} {following})",
            )  # fmt: skip
        if factor.data == "name" and index + 1 < len(factors):
            name = canonical_name(str(factor.children[0]))
            if name in ELEMENTARY_FUNCTIONS and name not in declared.kinds:
                argument = _span(source, factors[index + 1]).text
                raise Mistake(Diagnostic(
                    "E167", f"the function `{name}` needs its argument in brackets",
                    _span(source, factor), helps=(f"write `{name}{_bare(argument)}`",),
                ))  # fmt: skip


def _is_spaced(node: Tree[Token]) -> bool:
    """Whether white space stands between a prefix operator and what it acts on."""
    while node.data == "apply":
        prefix, operand = node.children
        assert isinstance(prefix, Tree)
        assert isinstance(operand, Tree)
        if prefix.meta.end_pos != operand.meta.start_pos:
            return True
        node = operand
    return False


def _prefix_and_operand(node: Tree[Token], source: Source) -> tuple[str, str]:
    prefix, operand = node.children
    assert isinstance(prefix, Tree)
    assert isinstance(operand, Tree)
    return _span(source, prefix).text, _span(source, operand).text


def _check_unit(node: Tree[Token], source: Source) -> None:
    """`W/m K`: does the K stand above or below?"""
    left, right = node.children[0], node.children[-1]
    assert isinstance(left, Tree)
    assert isinstance(right, Tree)
    if left.data != "unit_divide" or len(node.children) > 2:
        return
    above, below = left.children[0], left.children[-1]
    assert isinstance(above, Tree)
    assert isinstance(below, Tree)
    upper, lower = _span(source, above).text, _span(source, below).text
    tail = _span(source, right).text
    raise _two_readings(
        "E170", _span(source, left, right), f"{upper} {tail}/{lower}", f"{upper}/({lower} {tail})"
    )
