"""The tokens of a line, and what they are in their surroundings.

Lark cuts a line into tokens by the terminals of the grammar. `classify` then says which `(`
opens a call, which `[` a unit, which `∂D` is a boundary, and which names are words of the
language; for that it needs the names that the file declares (`declared.py`).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from lark import Token, UnexpectedCharacters
from lark.parsers.lalr_interactive_parser import InteractiveParser

from pdesl.diagnostics import Diagnostic, Source, Span
from pdesl.language.declared import Declared, superscript_text
from pdesl.language.names import ELEMENTARY_FUNCTIONS, canonical_name, index_names

__all__ = [
    "MAXIMUM_TOKENS",
    "NORMAL",
    "Mistake",
    "classify",
    "derivative_parts",
    "tokenise",
]

MAXIMUM_TOKENS = 5_000
NORMAL = "n"

_RESERVED = {"on": "ON", "in": "IN", "every": "EVERY", "at": "AT", "when": "WHEN"}
_DERIVATIVE = re.compile(r"∂(?:[_^]\{([^{}\n]*)\}|([_^]?)([^⁰¹²³⁴-⁹]+))([⁰¹²³⁴-⁹]*)")
_LEIBNIZ = re.compile(
    r"(?:∂([⁰¹²³⁴-⁹]*)\s*|(?<!\w)d([⁰¹²³⁴-⁹]*)\s?)([^\W\d⁰¹²³⁴-⁹]\w*?)\s*/\s*[∂d]([^\W⁰¹²³⁴-⁹]+)"
    r"([⁰¹²³⁴-⁹]*)"
)
_LEIBNIZ_OPERATOR = re.compile(r"d([²³⁴]?)\s*/\s*d([^\W⁰¹²³⁴-⁹]+)([²³⁴]?)")


class Mistake(Exception):
    """Ends the reading of one line; carries its one diagnostic."""

    def __init__(self, diagnostic: Diagnostic):
        self.diagnostic = diagnostic
        super().__init__(diagnostic.message)


def derivative_parts(text: str) -> tuple[bool, str, int]:
    """Of `∂x²`, `∂_μ` or `∂^μ`: whether it has an index, the name, and the order."""
    match = _DERIVATIVE.fullmatch(text)
    assert match is not None, text
    braces, underscore, name, order = match.groups()
    return (
        braces is not None or bool(underscore),
        canonical_name((braces if braces is not None else name).strip()),
        int(superscript_text(order)) if order and len(order) < 5 else 99_999 if order else 1,
    )


_WITH_NAMES = frozenset(("NAME", "DERIVATIVE"))
_RAISED = "⁰¹²³⁴⁵⁶⁷⁸⁹"
_LETTERS = re.compile(r"\w+")


def _no_letter(token: str) -> int | None:
    """The place of a sign that counts as a letter and is none in its canonical form: ㊳ is 38."""
    before = ""
    for place, sign in enumerate(token):
        if not sign.isascii() and sign.isalnum() and sign not in _RAISED:
            plain = unicodedata.normalize("NFKC", sign)
            starts = not (before.isalnum() or before == "_")
            if not _LETTERS.fullmatch(plain) or (starts and plain[0].isdigit()):
                return place
        before = sign
    return None


def tokenise(
    parser: InteractiveParser, source: Source, end: int
) -> tuple[list[Token], Mistake | None]:
    """The tokens of the line that a parser was started on, and what stopped the cutting."""
    tokens: list[Token] = []
    try:
        for token in parser.lexer_thread.lex(parser.parser_state):
            tokens.append(token)
            if not token.isascii() and token.type in _WITH_NAMES:
                place = _no_letter(token)
                if place is not None:
                    offset = (token.start_pos or 0) + place
                    return tokens, Mistake(_unknown_character(source, offset, end))
            if len(tokens) > MAXIMUM_TOKENS:
                span = Span(source, tokens[0].start_pos or 0, tokens[0].end_pos or 0)
                return tokens, Mistake(Diagnostic(
                    "E009", f"a statement of more than {MAXIMUM_TOKENS} words and signs", span,
                    helps=("name parts of it under `let:`",),
                ))  # fmt: skip
    except UnexpectedCharacters as error:
        return tokens, Mistake(_unknown_character(source, error.pos_in_stream, end))
    return tokens, None


_CHARACTER_HELPS = {
    ".": "write a product of vectors with `·`, as in `∇·v`, or `div(v)`, `dot(a, b)`",
    "√": "write `sqrt(…)`",
    "|": "write `abs(…)` for a number, `norm(…)` for a vector, `sqrt(…)` for √",
    "'": "write a derivative as `∂x u` or `dx(u)`, and text in double quotes",
    "‘": 'write text in double quotes, `"`',
    "’": "write a derivative as `∂x u` or `dx(u)`, and text in double quotes",
    "“": 'write straight quotes, `"`',
    "”": 'write straight quotes, `"`',
    "´": "write a derivative as `∂x u` or `dx(u)`",
    "∂": "write the coordinate right behind `∂`, as in `∂x u` and `∂x²u`",
    "\\": "mathematics is written as it looks, `∇²u`, or in ASCII, `lap(u)`; not in LaTeX; "
    "a region without another is `A - B`",
    "$": "mathematics is written without dollar signs",
    "!": "write the factorial as `gamma(n + 1)`; a comment starts with `#`",
    "≠": "an equation is written with `=`",
    "~": "write `≈` or `~=`",
    "&": "put each statement on a line of its own",
    "@": "write `∂x u` for a derivative and `·` for a product of vectors",
    "?": "a number to be found is written `unknown(start=…)`",
    "½": "write `1/2`, in brackets before a product",
    "¼": "write `1/4`, in brackets before a product",
    "¾": "write `3/4`, in brackets before a product",
    "∑": "write `sum(…)`",
    "∏": "write the factors out",
    "≡": "write `=`",
    "∝": "write `=` and a factor",
    "∪": "write `union(A, B)`",
    "∩": "write `intersection(A, B)`",
    "`": "names are written without quotes",
    "⟨": "write `( )`",
    "‖": "write `norm(…)`",
}


def _unknown_character(source: Source, offset: int, end: int) -> Diagnostic:
    character = source.text[offset]
    leibniz = _LEIBNIZ.match(source.text, offset, end)
    if leibniz:
        return _leibniz(source, leibniz)
    if character in "⁺⁻⁰¹²³⁴⁵⁶⁷⁸⁹ⁿⁱ" or "ʰ" <= character <= "˿" or "ᴬ" <= character <= "ᵡ":
        return Diagnostic(
            "E101", f"the superscript `{character}` cannot stand here",
            Span(source, offset, offset + 1), helps=("write a power as `x²` or `x^n`",),
        )  # fmt: skip
    plain = unicodedata.normalize("NFKC", character)
    known = _CHARACTER_HELPS.get(character) or (
        f"write `{plain}`" if plain != character and plain.isascii() and plain.strip()
        else "delete it, or write it in words; `pdesl list signs` shows the signs of the language"
    )  # fmt: skip
    return Diagnostic(
        "E012",
        f"the character `{character}` (U+{ord(character):04X}) has no meaning here",
        Span(source, offset, offset + 1),
        helps=(known,),
    )


def _leibniz(source: Source, match: re.Match[str]) -> Diagnostic:
    upper, upper_d, name, coordinate, lower = match.groups()
    power = lower or upper or upper_d or ""
    order = superscript_text(power)
    unicode = f"∂{coordinate}{power}{'' if power else ' '}{name}"
    call = f"d{coordinate}({name}{', ' + order if order else ''})"
    return Diagnostic(
        "E145", "a derivative written as a fraction", Span(source, match.start(), match.end()),
        helps=(f"write `{unicode}` or `{call}`",),
    )  # fmt: skip


# ---- what a token is in its surroundings --------------------------------------------------


def _touch(left: Token, right: Token) -> bool:
    return left.end_pos == right.start_pos


def _is_function(name: str, declared: Declared) -> bool:
    plain = canonical_name(name, function=True, declared=declared.kinds)
    kind = declared.kinds.get(plain)
    return kind == "function" or (kind is None and plain in ELEMENTARY_FUNCTIONS)


def classify(tokens: list[Token], declared: Declared, source: Source, end: int) -> list[Token]:
    """The tokens of a statement under the terminals that their surroundings give them.

    Raises:
        Mistake: a derivative is written in a way that can be read in two.
    """
    leibniz = _find_leibniz(tokens, declared, source, end)
    if leibniz:
        raise Mistake(leibniz)
    _check_letters(tokens, declared, source)
    result: list[Token] = []
    typed = False  # behind the colon of a declaration, where `[` opens a unit
    scheduled = bool(tokens) and tokens[0] in ("every", "at", "when")
    declares = not scheduled and _has_colon(tokens)
    units: list[bool] = []
    for index, token in enumerate(tokens):
        before = result[-1] if result else None
        kind = token.type
        if units and units[-1] and kind != "RSQB":
            pass  # a unit has no words of the language and no calls
        elif kind == "NAME":
            kind = _RESERVED.get(token, kind)
        elif kind == "COLON":
            typed = not scheduled
        elif kind == "LPAR" and before is not None and _touch(before, token):
            if before.type in ("NAME", "FUNCTION_POWER") or (
                declares and not typed and before.type == "INDICES"
            ):
                kind = "CALL"
        elif kind == "LSQB":
            kind = _bracket(before, token, typed)
            units.append(kind == "UNIT")
        elif kind == "RSQB" and units:
            units.pop()
        elif kind == "SUPERSCRIPT" and _is_function_power(tokens, index, index + 1, declared):
            kind = "FUNCTION_POWER"
        elif kind == "NUMBER" and before is not None and before.type == "POWER":
            if index >= 2 and _is_function_power(tokens, index - 1, index + 1, declared):
                result.pop()
                token = _retype(token, "SUPERSCRIPT", start=before.start_pos)
                kind = "FUNCTION_POWER"
        elif kind == "DERIVATIVE":
            kind = _derivative(token, declared, source)
        result.append(token if kind == token.type else _retype(token, kind))
    return result


def _has_colon(tokens: Sequence[Token]) -> bool:
    """Whether a line is a declaration, `A_{μ}(t, x) : tensor`."""
    return any(token.type == "COLON" for token in tokens)


def _retype(token: Token, kind: str, start: int | None = None) -> Token:
    if start is None:
        start = token.start_pos
    return Token(kind, token.value, start, token.line, token.column, token.end_line,
                 token.end_column, token.end_pos)  # fmt: skip


def _bracket(before: Token | None, token: Token, typed: bool) -> str:
    if before is None:
        return "LSQB"
    if before.type == "NUMBER" or (typed and before.type in ("NAME", "RPAR")):
        return "UNIT"
    if before.type in ("NAME", "RPAR", "RSQB", "INDICES") and _touch(before, token):
        return "SUBSCRIPT"
    return "LSQB"


def _is_function_power(
    tokens: Sequence[Token], start: int, behind: int, declared: Declared
) -> bool:
    """Whether tokens[start:behind] is the power between a function and its bracket."""
    if start < 1 or behind >= len(tokens) or tokens[behind].type != "LPAR":
        return False
    name = tokens[start - 1]
    touching = all(_touch(tokens[i], tokens[i + 1]) for i in range(start - 1, behind))
    return touching and name.type == "NAME" and _is_function(name, declared)


def _derivative(token: Token, declared: Declared, source: Source) -> str:
    """`BOUNDARY` for `∂Ω`; refuses `∂xu` where `∂x u` could be meant."""
    underscore, name, _ = derivative_parts(token)
    kind = declared.kinds.get(name)
    if underscore or kind == "coordinate" or name == NORMAL:
        return "DERIVATIVE"
    if kind == "region" or (kind is None and name.startswith("Ω")):
        return "BOUNDARY"
    written = token[1:].rstrip("⁰¹²³⁴⁵⁶⁷⁸⁹")
    for cut in range(len(written) - 1, 0, -1):
        first, rest = written[:cut], written[cut:]
        is_first = declared.is_coordinate(canonical_name(first)) or first == NORMAL
        kind = declared.kinds.get(canonical_name(rest))
        if is_first and kind is not None:
            power = token[1 + len(written) :]
            separated = f"∂{first}∂{rest}{power} …" if kind == "coordinate" else (
                f"∂{first} {rest}{power}"
            )  # fmt: skip
            raise Mistake(Diagnostic(
                "E143", f"`{token}` can be read in two ways",
                Span(source, token.start_pos or 0, token.end_pos or 0),
                helps=(
                    f"write `{separated}` for the derivative along `{first}`",
                    f"or declare a coordinate `{written}` in `domain:`",
                ),
            ))  # fmt: skip
    return "DERIVATIVE"


def _find_leibniz(
    tokens: list[Token], declared: Declared, source: Source, end: int
) -> Diagnostic | None:
    """`∂u/∂t` or `du/dt`, where u is declared and t is a coordinate."""
    if not any(token.type == "SLASH" for token in tokens):
        return None
    for token in tokens:
        if token.type not in ("NAME", "DERIVATIVE") or token[0] not in "d∂":
            continue
        start = token.start_pos or 0
        operator = _LEIBNIZ_OPERATOR.match(source.text, start, end)
        if operator and declared.is_coordinate(canonical_name(operator.group(2))):
            power, name, lower = operator.groups()
            sign = f"∂{name}{power or lower}"
            return Diagnostic(
                "E145", "a derivative written as a fraction",
                Span(source, start, operator.end()), helps=(f"write `{sign} …` or `d{name}(…)`",),
            )  # fmt: skip
        match = _LEIBNIZ.match(source.text, start, end)
        if match is None:
            continue
        names = [canonical_name(match.group(3)), canonical_name(match.group(4))]
        region = declared.kinds.get(names[0]) == "region" or names[0].startswith("Ω")
        if token.type == "DERIVATIVE" and match.group().count("∂") == 2 and not region:
            return _leibniz(source, match)
        if declared.is_coordinate(names[1]) and declared.kinds.get(names[0]) in (
            "field", "quantity", "function",
        ):  # fmt: skip
            return _leibniz(source, match)
    return None


def _check_letters(tokens: list[Token], declared: Declared, source: Source) -> None:
    """Refuses `v^μ` beside other indices μ, and `Δu` where u is declared and Δu is not."""
    indices: set[str] = set()
    for token in tokens:
        if token.type == "INDICES":
            for inside in re.findall(r"\{([^{}]*)\}", token):
                indices.update(index_names(inside))
        elif token.type in ("DERIVATIVE", "NABLA") and token[1:2] in ("_", "^"):
            indices.add(canonical_name(token[2:].strip("{} ")))
    for index, token in enumerate(tokens):
        if token.type != "NAME":
            continue
        name = canonical_name(token)
        if name in declared.kinds:
            continue
        if name[0] == "_" and index and tokens[index - 1].type == "NUMBER":
            number = tokens[index - 1]
            if _touch(number, token):
                raise Mistake(Diagnostic(
                    "E103", "a sign is missing between a number and a name",
                    Span(source, number.start_pos or 0, token.end_pos or 0),
                    helps=("digits are not grouped: write 1_000 as `1000`",),
                ))  # fmt: skip
        span = Span(source, token.start_pos or 0, token.end_pos or 0)
        base = tokens[index - 2] if index > 1 and tokens[index - 1].type == "POWER" else None
        called = index + 1 < len(tokens) and tokens[index + 1].type == "LPAR"
        if name in indices and base is not None and base.type == "NAME" and not called:
            raise Mistake(Diagnostic(
                "E149", f"`{base}^{token}` can be a power or a component",
                Span(source, base.start_pos or 0, span.end),
                helps=(f"write `{base}^{{{token}}}` for the component",
                       f"or `{base}^({token})` for the power"),
            ))  # fmt: skip
        if name[0] == "Δ" and (len(name) == 1 or declared.kinds.get(name[1:]) == "field"):
            raise Mistake(Diagnostic(
                "E150", f"`{token}` can be a name or a Laplacian", span,
                helps=(f"write `∇²{name[1:] or 'u'}` for the Laplacian",
                       f"or declare `{name}` under `parameters:` or `let:`"),
            ))  # fmt: skip
