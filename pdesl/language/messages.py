"""Why a line cannot be read, in the words of the one who wrote it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lark import Token

from pdesl.diagnostics import Diagnostic, Source, Span

__all__ = ["explain_syntax"]

_OPERATORS = frozenset(
    ("PLUS", "MINUS", "TIMES", "DOT", "CROSS", "SLASH", "POWER", "TOLERANCE", "COMMA", "NABLA",
     "DERIVATIVE", "BOX", "INTEGRAL", "ON", "MEMBER", "IN", "EQUALS", "APPROXIMATELY", "ORDER",
     "COLON")
)  # fmt: skip
_OPENING = frozenset(("LPAR", "LSQB", "CALL", "SUBSCRIPT", "UNIT"))
_CLOSING = frozenset(("RPAR", "RSQB"))
_RELATIONS = frozenset(("EQUALS", "APPROXIMATELY", "ORDER"))
_SUMMANDS = frozenset(("PLUS", "MINUS"))
_FACTORS = frozenset(("TIMES", "DOT", "CROSS", "SLASH", "POWER", "SUPERSCRIPT", "TOLERANCE"))
_WORDS = frozenset(("ON", "IN", "EVERY", "AT", "WHEN"))
_VALUES = frozenset(("NAME", "NUMBER", "STRING", "INFINITY", "BOUNDARY"))

Answer = Diagnostic | None


class _Place:
    """One token that does not fit, with what stands around it."""

    def __init__(self, tokens: Sequence[Token], index: int, source: Source, end: int):
        self.tokens = tokens
        self.index = index
        self.source = source
        self.end = end
        self.token = tokens[index] if index < len(tokens) else None
        self.kind = self.token.type if self.token is not None else ""
        self.before = tokens[index - 1] if index else None
        self.before_kind = self.before.type if self.before is not None else ""
        self.after = tokens[index + 1] if index + 1 < len(tokens) else None
        self.open = self._open_brackets()

    def _open_brackets(self) -> list[Token]:
        opened: list[Token] = []
        for token in self.tokens[: self.index]:
            if token.type in _OPENING:
                opened.append(token)
            elif token.type in _CLOSING and opened:
                opened.pop()
        return opened

    @property
    def text(self) -> str:
        return str(self.token) if self.token is not None else ""

    def span(self, first: Token | None = None, last: Token | None = None) -> Span:
        first = first or self.token
        if first is None:
            return Span(self.source, max(self.end - 1, 0), self.end)
        last = last or first
        return Span(self.source, first.start_pos or 0, last.end_pos or 0)

    def say(self, code: str, message: str, *helps: str, span: Span | None = None) -> Diagnostic:
        return Diagnostic(code, message, span or self.span(), helps=helps)


_SCHEDULES = ("EVERY", "AT", "WHEN")


def explain_syntax(tokens: Sequence[Token], index: int, source: Source, end: int) -> Diagnostic:
    """What is wrong with a line that cannot be read behind `tokens[:index]`.

    Arguments:
        tokens: the classified tokens of the line.
        index: the first token that does not fit; `len(tokens)` where the line ends too early.
        source, end: the text, and the offset at which the line ends in it.
    """
    place = _Place(tokens, index, source, end)
    for rule in _RULES:
        answer = rule(place)
        if answer is not None:
            return answer
    return place.say("E100", f"`{place.text}` cannot stand here",
                     "delete it, or write what is missing in front of it")  # fmt: skip


def _double_sign(place: _Place) -> Answer:
    """`==`, `=<`, `:=` and the like."""
    if place.kind not in _RELATIONS or place.before is None:
        return None
    if place.before_kind not in (*_RELATIONS, "COLON"):
        return None
    if place.before.end_pos != (place.token.start_pos if place.token else None):
        return place.say(
            "E105", f"the signs `{place.before}` and `{place.text}` in a row", "keep one of them",
            span=place.span(place.before, place.token),
        )  # fmt: skip
    written = f"{place.before}{place.text}"
    meant = {"=<": "<=", "=>": ">="}.get(written, "=")
    return place.say(
        "E104", f"`{written}` is no sign of the language", f"write `{meant}`",
        span=place.span(place.before, place.token),
    )  # fmt: skip


def _chained(place: _Place) -> Answer:
    """`a = b = c`, refused because it can mean two statements or a mistake."""
    if place.kind not in _RELATIONS or place.open:
        return None
    if any(t.type == "ON" for t in place.tokens[: place.index]):
        return place.say("E106", "several conditions for one region",
                         "a region is one condition; join regions with a comma, "
                         "`on x = 0, y = 0`")  # fmt: skip
    earlier = [t for t in place.tokens[: place.index] if t.type in _RELATIONS]
    if not earlier:
        return None
    text = place.source.text
    first = earlier[-1]
    left = text[place.tokens[0].start_pos or 0 : first.start_pos].strip()
    middle = text[first.end_pos or 0 : place.token.start_pos if place.token else 0].strip()
    right = text[(place.token.end_pos or 0) if place.token else 0 : place.end].strip()
    helps = [f"write two lines, `{left} {first} {middle}` and `{middle} {place.text} {right}`"]
    if first.type == place.kind == "ORDER" and middle.isidentifier():
        helps.insert(0, f"where a coordinate lies is written `{middle} ∈ [{left}, {right}]`")
    return place.say("E144", "two relations in one line", *helps)


def _reserved(place: _Place) -> Answer:
    """A word of the language where a name is expected."""
    token = place.token if place.kind in _WORDS else None
    if token is None and place.before_kind in _WORDS and place.kind in _RELATIONS:
        token = place.before
    if token is None:
        return None
    if token.type == "ON" and place.before_kind not in (*_OPERATORS, *_OPENING) and place.before:
        return None
    return place.say(
        "E108", f"`{token}` is a word of the language and cannot be a name",
        f"choose another name, `{token}_`", span=place.span(token),
    )  # fmt: skip


def _on(place: _Place) -> Answer:
    """`on` behind something that is no relation."""
    if place.kind != "ON":
        return None
    if any(t.type == "ON" for t in place.tokens[: place.index]):
        return place.say("E106", "a second `on`", "join the regions with a comma, "
                         "`on x = 0, y = 0`")  # fmt: skip
    if any(t.type in _RELATIONS for t in place.tokens[: place.index]):
        return None
    return place.say(
        "E102", "a condition needs `=`", "write `u = 0 on ∂Ω`",
        span=place.span(place.tokens[0], place.before),
    )  # fmt: skip


def _power_of_power(place: _Place) -> Answer:
    """`x^y^z`, `x²^3`."""
    if place.kind not in ("POWER", "SUPERSCRIPT"):
        return None
    powers = [i for i, t in enumerate(place.tokens[: place.index])
              if t.type in ("POWER", "SUPERSCRIPT")]  # fmt: skip
    if not powers:
        return None
    start = powers[-1]
    text = place.source.text
    base_start = start - 1
    depth = 0
    while base_start > 0:
        kind = place.tokens[base_start].type
        depth += (kind in _CLOSING) - (kind in _OPENING)
        if depth <= 0 and kind != "CALL":
            break
        base_start -= 1
    if base_start > 0 and place.tokens[base_start].type in _OPENING:
        base_start = max(base_start - (place.tokens[base_start].type == "CALL"), 0)
    base = text[place.tokens[base_start].start_pos or 0 : place.tokens[start].start_pos]
    middle = place.tokens[start]
    if middle.type == "POWER":
        exponent = text[middle.end_pos or 0 : place.tokens[place.index - 1].end_pos].strip()
        first = f"{base}^{exponent}"
    else:
        exponent = str(middle)
        first = f"{base}{exponent}"
    upper = place.text if place.kind == "SUPERSCRIPT" else f"^{place.after or '…'}"
    if middle.type == "SUPERSCRIPT":
        return place.say("E146", "a power of a power", f"write `({first}){upper}`")
    return place.say(
        "E146", "a power of a power can be read in two ways",
        f"write `{base}^({exponent}{upper})`", f"or `({first}){upper}`",
    )  # fmt: skip


def _signs(place: _Place) -> Answer:
    """Two operators in a row, an operator without something behind it."""
    after_operator = place.before_kind in _OPERATORS or place.before_kind in _OPENING
    if place.kind in _SUMMANDS and place.before_kind in (
        *_SUMMANDS,
        *_FACTORS,
        "NABLA",
        "DERIVATIVE",
        "BOX",
    ):
        return place.say("E105", f"the signs `{place.before}` and `{place.text}` in a row",
                         "put brackets around the second with what it belongs to",
                         span=place.span(place.before, place.token))  # fmt: skip
    if place.kind in _FACTORS and (after_operator or place.before is None):
        where = f"between `{place.before}` and `{place.text}`" if place.before else (
            f"before `{place.text}`"
        )  # fmt: skip
        return place.say("E101", f"something is missing {where}", "write what belongs there",
                         span=place.span(place.before, place.token))  # fmt: skip
    return None


def _ends_early(place: _Place) -> Answer:
    """The line ends, or a bracket closes, behind an operator."""
    if place.token is not None and place.kind not in (
        *_CLOSING,
        "COMMA",
        "ON",
        "ARROW",
        "COLON",
        *_RELATIONS,
        "MEMBER",
    ):
        return None
    if place.before is None:
        return place.say("E101", f"something is missing before `{place.text}`",
                         "write what belongs there")  # fmt: skip
    if place.before_kind in _OPENING and place.kind in _CLOSING:
        return place.say("E101", "these brackets are empty", "write what belongs inside",
                         span=place.span(place.before, place.token))  # fmt: skip
    if (
        place.before_kind == "DERIVATIVE"
        and place.index > 1
        and any(t.type == "ON" for t in place.tokens[: place.index])
    ):
        name = str(place.before)[1:]
        return place.say("E101", f"`{name}` is no region of this file",
                         f"declare it under `domain:`, `{name} = disk(…)`, or write `∂Ω`",
                         span=place.span(place.before))  # fmt: skip
    if place.before_kind == "DERIVATIVE":
        return place.say("E101", f"`{place.before}` has nothing to act on",
                         f"write `{place.before} u`", span=place.span(place.before))  # fmt: skip
    if place.before_kind in (*_OPERATORS, *_OPENING, "ARROW"):
        other = "write the other side, `0` for one"
        remedy = other if place.before_kind in _RELATIONS else "write what belongs there"
        return place.say("E101", f"something is missing behind `{place.before}`", remedy,
                         span=place.span(place.before))  # fmt: skip
    return None


def _whole(place: _Place) -> Answer:
    """A line without `=`, `∈` or `:`."""
    if place.token is not None:
        return None
    if place.tokens and place.tokens[0].type in ("EVERY", "AT", "WHEN"):
        return place.say(
            "E107", f"a line with `{place.tokens[0]}` needs a colon and what to write",
            f'write `{place.tokens[0]} …: u -> "result.h5"`',
            span=place.span(place.tokens[0], place.before),
        )  # fmt: skip
    if not any(t.type in (*_RELATIONS, "MEMBER", "IN", "COLON") for t in place.tokens):
        return place.say(
            "E102", "a statement needs `=`, `∈` or `:`",
            "write an equation `… = …`, a membership `x ∈ …` or a declaration `u(x) : scalar`",
            span=place.span(place.tokens[0], place.before),
        )  # fmt: skip
    return place.say("E101", "the line ends too early", "write what belongs behind it")


def _two_values(place: _Place) -> Answer:
    """`x 2`, `2 3`, `a "b"`: no product of these by juxtaposition."""
    if place.before is None or place.before_kind in (*_OPERATORS, *_OPENING):
        return None
    if place.before_kind == "STRING" and place.kind not in ("COMMA", *_CLOSING):
        return place.say("E103", f"`{place.text}` cannot follow a text in quotes",
                         "put it on a line of its own")  # fmt: skip
    ends = place.before_kind in (*_VALUES, *_CLOSING, "SUPERSCRIPT", "INDICES")
    if place.kind == "NUMBER" and ends:
        return place.say(
            "E103", f"a sign is missing between `{place.before}` and `{place.text}`",
            f"write `{place.before} * {place.text}` for a product"
            if place.before_kind in _VALUES else "write `*` for a product",
            span=place.span(place.before, place.token),
        )  # fmt: skip
    if place.kind == "STRING" and ends:
        return place.say("E103", f"a sign is missing before {place.text}",
                         'a file to write to is named as in `-> "result.h5"`')  # fmt: skip
    return None


def _square(place: _Place) -> Answer:
    """A `[` that is neither a list, nor a unit, nor a component."""
    if place.kind != "LSQB":
        return None
    if place.before_kind == "COLON":
        return place.say("E109", "a colon is followed by a type, not by an interval",
                         "write `t ∈ [0, 1]` or `t in [0, 1]`")  # fmt: skip
    if place.before_kind in _CLOSING and any(t.type in ("MEMBER", "IN") for t in place.tokens):
        return place.say("E109", "a unit stands behind a number, not behind an interval",
                         "write `x ∈ [0, 0.1 [m]]`")  # fmt: skip
    return place.say(
        "E109", "a unit stands behind a number or a type only",
        "write `9.81 [m/s²]` or `T : scalar [K]`; a component is `v[1]`, without a space",
    )  # fmt: skip


def _unit(place: _Place) -> Answer:
    """Something in the brackets of a unit that belongs in no unit."""
    if not place.open or place.open[-1].type != "UNIT":
        inside = [t for t in place.open if t.type == "UNIT"]
        if not inside:
            return None
    return place.say("E169", f"`{place.text}` has no place in a unit",
                     "write a unit as in `[kg m²/s²]`, `[W/(m K)]`, `[1/s]`")  # fmt: skip


def _comma(place: _Place) -> Answer:
    if place.kind != "COMMA" or place.open:
        return None
    number = place.before_kind == "NUMBER" and place.after is not None
    if number and place.after is not None and place.after.type == "NUMBER":
        touching = (place.after.start_pos or 0) - 1
        if place.before is not None and place.before.end_pos == touching:
            return place.say("E106", "a comma inside a number",
                             f"write `{place.before}.{place.after}` with a point, or two values "
                             f"as a tuple, `({place.before}, {place.after})`")  # fmt: skip
    if any(t.type in _RELATIONS for t in place.tokens[: place.index]):
        return place.say(
            "E106", "a comma behind a relation", "put each statement on a line of its own",
            "several values are a tuple, `(a, b)`, or a list, `[a, b]`",
        )  # fmt: skip
    return None


def _named_output(place: _Place) -> Answer:
    """`every 0.1: mass = ∫(u)`: a definition behind a schedule."""
    kinds = [t.type for t in place.tokens[: place.index]]
    if place.kind != "EQUALS" or place.open or not kinds or kinds[0] not in _SCHEDULES:
        return None
    if "COLON" not in kinds:
        return None
    text = place.source.text
    after = (place.token.end_pos or 0) if place.token else place.end
    meant = text[after : place.end].split("->")[0].strip()
    return place.say(
        "E100", "a schedule lists what to write, and defines nothing",
        f"define it by a line under `let:`, `{place.before} = {meant}`, and list "
        f"`{place.before}` here",
    )  # fmt: skip


def _list_relation(place: _Place) -> Answer:
    """`u, v = 0`: a list of names on the left of `=`."""
    if place.kind not in _RELATIONS or place.open:
        return None
    if any(t.type == "COMMA" for t in place.tokens[: place.index]):
        return place.say("E106", f"several things on the left of `{place.text}`",
                         "put each statement on a line of its own")  # fmt: skip
    return None


def _relation_in_brackets(place: _Place) -> Answer:
    if place.kind not in _RELATIONS or not place.open:
        return None
    return place.say(
        "E110", f"`{place.text}` inside brackets",
        "an option is written `name=value`, directly behind the bracket or a comma",
    )  # fmt: skip


def _colon(place: _Place) -> Answer:
    if place.kind != "COLON":
        return None
    return place.say("E110", "a colon cannot stand here",
                     "a colon ends the name of a block, and stands before the type in "
                     "`u(t, x) : scalar` and behind `every`, `at` and `when`")  # fmt: skip


def _member(place: _Place) -> Answer:
    if place.kind not in ("MEMBER", "IN"):
        return None
    return place.say("E110", f"`{place.text}` cannot stand here",
                     "a line says of coordinates where they lie, `x, y ∈ Ω`")  # fmt: skip


def _arrow(place: _Place) -> Answer:
    scheduled = place.tokens[0].type in ("EVERY", "AT", "WHEN")
    if place.kind == "ARROW" and scheduled:
        return place.say("E107", f"a colon is missing in the line with `{place.tokens[0]}`",
                         'write `at end: u -> "result.h5"`')  # fmt: skip
    if place.kind == "ARROW":
        return place.say("E107", "an arrow belongs to a line with `every` or `at`",
                         'write `at end: u -> "result.h5"`')  # fmt: skip
    if place.before_kind == "ARROW":
        return place.say("E107", "the file behind the arrow is written in quotes",
                         f'write `-> "{place.text}"`')  # fmt: skip
    return None


def _closing(place: _Place) -> Answer:
    if place.kind not in _CLOSING:
        return None
    if place.before_kind in ("NABLA", "DERIVATIVE", "BOX", "SUPERSCRIPT"):
        operators = ("NABLA", "DERIVATIVE", "BOX")
        before = [t for t in place.tokens[: place.index] if t.type != "SUPERSCRIPT"]
        if before and before[-1].type in operators:
            return place.say(
                "E112", f"`{place.text}` where something to differentiate is missing",
                "an operator stands before what it acts on: `u + 2 ∇²u + ∇⁴u` for (1 + ∇²)² u",
            )  # fmt: skip
    return place.say("E112", f"`{place.text}` does not fit here",
                     "delete it, or write what is missing in front of it")  # fmt: skip


def _type(place: _Place) -> Answer:
    """Behind the type of a declaration."""
    if place.open or not any(t.type == "COLON" for t in place.tokens[: place.index]):
        return None
    if place.tokens[0].type in ("EVERY", "AT", "WHEN"):
        return None
    return place.say(
        "E110", f"`{place.text}` cannot stand in a type",
        "write `u(t, x) : scalar`, `v(x, y) : vector`, `f(x) : source` or `T(x) : scalar [K]`",
    )  # fmt: skip


_RULES: tuple[Callable[[_Place], Answer], ...] = (
    _double_sign, _unit, _reserved, _on, _chained, _named_output, _list_relation, _power_of_power,
    _signs, _ends_early, _whole, _two_values, _square, _comma, _relation_in_brackets, _arrow, _type,
    _colon, _member, _closing,
)  # fmt: skip
