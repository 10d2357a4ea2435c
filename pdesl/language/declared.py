"""The names that a file declares, found before its expressions are read.

What `κ(4 + x)`, `dx(u)` or `∂D` mean hangs on what κ, x and D are. `collect` finds that from
the tokens of the lines, `declared_names` from a finished tree; both give the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from lark import Token

from pdesl.diagnostics import Source, Span
from pdesl.language import ast
from pdesl.language.names import canonical_name

__all__ = ["Declared", "collect", "declared_names", "superscript_text"]

MAXIMUM_FAMILY = 1_000
_DIGITS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻", "0123456789+-")


@dataclass(slots=True)
class Declared:
    """The names that a file declares, each with its kind, and the arguments of its fields."""

    kinds: dict[str, str] = field(default_factory=dict)
    arguments: dict[str, tuple[str, ...]] = field(default_factory=dict)
    places: dict[str, Span] = field(default_factory=dict)

    def add(self, name: str, kind: str, span: Span, arguments: tuple[str, ...] = ()) -> None:
        # What is written by a form of the language cannot be declared: it is read as that form.
        if name not in self.kinds and name not in _FORMS:
            self.kinds[name] = kind
            self.places[name] = span
            self.arguments[name] = arguments

    @property
    def coordinates(self) -> frozenset[str]:
        return frozenset(n for n, kind in self.kinds.items() if kind == "coordinate")

    def is_coordinate(self, name: str) -> bool:
        return self.kinds.get(name) == "coordinate"


def superscript_text(text: str) -> str:
    """The plain digits of a superscript, `⁻¹²` as `-12`."""
    return text.translate(_DIGITS)


def _names_before(tokens: Sequence[Token], stop: str) -> list[tuple[Token, tuple[Token, ...]]]:
    """The names in front of the first sign of a type: `u(t, x), v : …`, each with arguments."""
    found: list[tuple[Token, tuple[Token, ...]]] = []
    depth = 0
    for index, token in enumerate(tokens):
        if token.type == "LPAR":
            depth += 1
        elif token.type == "RPAR":
            depth -= 1
        elif depth == 0 and (token.type == stop or (stop == "MEMBER" and token == "in")):
            return found
        elif token.type == "NAME" and depth == 0:
            found.append((token, ()))
        elif token.type == "NAME" and depth == 1 and found:
            before = tokens[index - 1].type
            if before in ("LPAR", "COMMA"):
                name, arguments = found[-1]
                found[-1] = (name, (*arguments, token))
    return []


def _family_size(tokens: Sequence[Token]) -> int:
    """The n of `[-1, 1]^n` at the end of a membership, else 0."""
    if len(tokens) < 4:
        return 0
    if tokens[-1].type == "SUPERSCRIPT" and tokens[-2].type == "RSQB":
        digits = superscript_text(tokens[-1])
    elif tokens[-2].type == "POWER" and tokens[-3].type == "RSQB":
        digits = str(tokens[-1])
    else:
        return 0
    return int(digits) if digits.isdecimal() and len(digits) < 8 else 0


_FORMS = frozenset(
    [
        "advect",
        "boundary",
        "box",
        "covariant",
        "covariant_up",
        "cross",
        "curl",
        "div",
        "dn",
        "dot",
        "grad",
        "integral",
        "lap",
        "partial",
        "partial_up",
    ]
)
_RELATION_KINDS = {
    "domain": "region",
    "parameters": "parameter",
    "let": "quantity",
    "closure": "closure",
    "data": "data",
    "metric": "metric",
}


def collect(lines: Iterable[tuple[str, Sequence[Token]]], source: Source) -> Declared:
    """The names that the lines of a file declare; each line comes with the name of its block."""
    declared = Declared()
    late: list[Token] = []
    functions: list[Token] = []
    for block, tokens in lines:
        if block == "fields":
            for name, arguments in _names_before(tokens, "COLON"):
                names = tuple(canonical_name(a) for a in arguments)
                _add(declared, source, name, "field", names)
                late += arguments
        members = _names_before(tokens, "MEMBER") if block == "domain" else []
        for name, _ in members:
            _add(declared, source, name, "coordinate")
            for i in range(1, min(_family_size(tokens), MAXIMUM_FAMILY) + 1):
                span = Span(source, name.start_pos or 0, name.end_pos or 0)
                declared.add(f"{canonical_name(name)}{i}", "coordinate", span)
        if block in _RELATION_KINDS and not members and tokens and tokens[0].type == "NAME":
            second = tokens[1].type if len(tokens) > 1 else ""
            if second == "EQUALS":
                _add(declared, source, tokens[0], _RELATION_KINDS[block])
            elif second == "INDICES" and block == "let" and _defines_tensor(tokens):
                _add(declared, source, tokens[0], "tensor")
            elif second == "LPAR" and block != "metric" and _is_definition(tokens):
                functions.append(tokens[0])
    for name in late:
        _add(declared, source, name, "coordinate")
    for name in functions:
        if not _is_reserved(canonical_name(name), declared):
            _add(declared, source, name, "function")
    return declared


def _is_definition(tokens: Sequence[Token]) -> bool:
    """Whether a line starts with `f(…) =`."""
    depth = 0
    for index, token in enumerate(tokens):
        depth += (token.type == "LPAR") - (token.type == "RPAR")
        if token.type == "RPAR" and depth == 0:
            touching = tokens[0].end_pos == tokens[1].start_pos
            return touching and index + 1 < len(tokens) and tokens[index + 1].type == "EQUALS"
    return False


def _defines_tensor(tokens: Sequence[Token]) -> bool:
    """Whether a line starts with `F_{μν} =`."""
    return len(tokens) > 2 and tokens[2].type == "EQUALS"


def _is_reserved(name: str, declared: Declared) -> bool:
    """Whether a call of this name is a form of the language, which no file can define."""
    return name in _FORMS or (name.startswith("d") and declared.is_coordinate(name[1:]))


def _add(
    declared: Declared, source: Source, token: Token, kind: str, arguments: tuple[str, ...] = ()
) -> None:
    if "." not in token:
        span = Span(source, token.start_pos or 0, token.end_pos or 0)
        declared.add(canonical_name(token), kind, span, arguments)


def declared_names(module: ast.Module) -> Declared:
    """The names that a tree declares."""
    declared = Declared()
    nowhere = Span(Source("", ""), 0, 0)
    late: list[str] = []
    functions: list[str] = []
    for block in module.blocks:
        for statement in block.statements:
            if block.name == "fields" and isinstance(statement, ast.Declaration):
                for node in statement.names:
                    if isinstance(node, ast.Name):
                        declared.add(node.identifier, "field", nowhere)
                    elif isinstance(node, ast.Call | ast.IndexedField):
                        names = [a.identifier for a in node.arguments if isinstance(a, ast.Name)]
                        name = node.name if isinstance(node, ast.IndexedField) else node.function
                        declared.add(name, "field", nowhere, tuple(names))
                        late += names
            elif isinstance(statement, ast.Membership) and block.name == "domain":
                for node in statement.members:
                    if isinstance(node, ast.Name):
                        declared.add(node.identifier, "coordinate", nowhere)
                        for i in range(1, min(_size(statement.set), MAXIMUM_FAMILY) + 1):
                            declared.add(f"{node.identifier}{i}", "coordinate", nowhere)
            elif isinstance(statement, ast.Relation) and block.name in _RELATION_KINDS:
                left = statement.left
                if statement.operator != "=":
                    continue
                if isinstance(left, ast.Name) and "." not in left.identifier:
                    declared.add(left.identifier, _RELATION_KINDS[block.name], nowhere)
                elif isinstance(left, ast.Indexed) and block.name == "let":
                    declared.add(left.name, "tensor", nowhere)
                elif isinstance(left, ast.Call) and block.name != "metric":
                    functions.append(left.function)
    for name in late:
        declared.add(name, "coordinate", nowhere)
    for name in functions:
        if not _is_reserved(name, declared):
            declared.add(name, "function", nowhere)
    return declared


def _size(family: ast.Expression) -> int:
    """The n of `[-1, 1]^n`, else 0."""
    if isinstance(family, ast.Binary) and family.operator == "^":
        exponent = family.right
        if isinstance(family.left, ast.ListLiteral) and isinstance(exponent, ast.Number):
            text = exponent.text
            return int(text) if text.isdecimal() and len(text) < 8 else 0
    return 0
