"""From the tree that Lark makes of a line to the syntax tree of `ast.py`."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

from lark import Token, Tree

from pdesl.diagnostics import Diagnostic, Source, Span
from pdesl.language import ast
from pdesl.language.declared import Declared, superscript_text
from pdesl.language.names import canonical_name, index_names
from pdesl.language.queries import constant_value, mentions, shortened
from pdesl.language.tokens import NORMAL, Mistake, derivative_parts
from pdesl.language.units import UnitMaker

__all__ = ["MAXIMUM_DEPTH", "MAXIMUM_EXPONENT", "build", "make_derivative"]

MAXIMUM_DEPTH = 150
MAXIMUM_EXPONENT = 1_000
MAXIMUM_DIGITS = 400
MAXIMUM_ORDER = 12

_SIGNS = {"≈": "~=", "≤": "<=", "≥": ">="}
_NOT_CALLABLE = {
    "coordinate": "a coordinate",
    "parameter": "a parameter",
    "quantity": "a quantity without arguments",
    "region": "a region",
}

# Rules that make no node of the syntax tree.
_TRANSPARENT = frozenset(("brackets", "plus", "arguments", "expressions", "regions", "prefix"))

Node = Any


def build(tree: Tree[Token], source: Source, declared: Declared) -> Node:
    """The syntax tree of a line; `tree` is what Lark made of a statement or an expression.

    Raises:
        Mistake: a form that the grammar lets through is wrong.
    """
    return _Builder(source, declared).run(tree)


def make_derivative(
    variables: tuple[tuple[str, int], ...], operand: Node, span: Span | None = None
) -> ast.Derivative:
    """A derivative in its canonical form: of a derivative, one with all the variables."""
    if isinstance(operand, ast.Derivative):
        variables, operand = variables + operand.variables, operand.operand
    merged: list[tuple[str, int]] = []
    for name, order in variables:
        if merged and merged[-1][0] == name:
            merged[-1] = (name, merged[-1][1] + order)
        else:
            merged.append((name, order))
    return ast.Derivative(tuple(merged), operand, span=span)


class _Builder:
    def __init__(self, source: Source, declared: Declared):
        self.source = source
        self.declared = declared
        self.units = UnitMaker()

    def run(self, tree: Tree[Token]) -> Node:
        """Build from the leaves up, without recursion, and watch the depth."""
        stack: list[tuple[Any, bool]] = [(tree, False)]
        values: list[Node] = []
        depths: list[int] = []
        while stack:
            item, ready = stack.pop()
            if isinstance(item, Token):
                values.append(item)
                depths.append(0)
            elif not ready:
                stack.append((item, True))
                stack.extend((child, False) for child in reversed(item.children))
            else:
                count = len(item.children)
                children = values[len(values) - count :]
                depth = max(depths[len(depths) - count :], default=0)
                depth += item.data not in _TRANSPARENT
                del values[len(values) - count :], depths[len(depths) - count :]
                span = Span(self.source, item.meta.start_pos, item.meta.end_pos)
                if depth > MAXIMUM_DEPTH:
                    self.fail(
                        "E009", f"more than {MAXIMUM_DEPTH} operations inside one another", span,
                        "name parts of the expression under `let:`",
                    )  # fmt: skip
                maker = self.units if str(item.data).startswith("unit") else self
                make: Callable[[Span, list[Node]], Node] = getattr(maker, f"make_{item.data}")
                values.append(make(span, children))
                depths.append(depth)
        return values[0]

    def fail(self, code: str, message: str, span: Span | None, *helps: str, label: str = "") -> Any:
        raise Mistake(Diagnostic(code, message, span, label=label, helps=helps))

    def span_of(self, token: Token) -> Span:
        return Span(self.source, token.start_pos or 0, token.end_pos or 0)

    # ---- statements --------------------------------------------------------------------

    def make_relation(self, span: Span, parts: list[Node]) -> ast.Relation:
        regions = parts[4] if len(parts) == 5 else ()
        return ast.Relation(parts[0], parts[1], parts[2], regions, span=span)

    def make_relation_sign(self, span: Span, parts: list[Node]) -> str:
        return _SIGNS.get(parts[0], str(parts[0]))

    make_comparison_sign = make_relation_sign

    def make_regions(self, span: Span, parts: list[Node]) -> tuple[Node, ...]:
        return tuple(parts)

    make_expressions = make_regions

    def make_comparison(self, span: Span, parts: list[Node]) -> ast.Comparison:
        left, sign, right = parts
        return ast.Comparison(_SIGNS.get(sign, str(sign)), left, right, span=span)

    def make_membership(self, span: Span, parts: list[Node]) -> ast.Membership:
        members = parts[0]
        for member in members:
            if not isinstance(member, ast.Name):
                self.fail("E171", "only names of coordinates stand in front of `∈`", member.span,
                          "write `x, y ∈ Ω`")  # fmt: skip
            if member.identifier == NORMAL:
                self.fail("E168", "`n` is the outward normal and cannot be a coordinate",
                          member.span, "give the coordinate another name")  # fmt: skip
        return ast.Membership(members, parts[2], span=span)

    def make_declaration(self, span: Span, parts: list[Node]) -> ast.Declaration:
        names, _, (kind, unit) = parts
        for name in names:
            if isinstance(name, ast.Name):
                continue
            plain = isinstance(name, ast.IndexedField) or (
                isinstance(name, ast.Call) and name.arguments and not name.keywords
            )
            if plain and all(isinstance(a, ast.Name) for a in name.arguments):
                continue
            self.fail("E171", "only names stand in front of `:`, with the coordinates that they "
                      "depend on", name.span, "write `u(t, x) : scalar`")  # fmt: skip
        return ast.Declaration(names, kind, unit, span=span)

    def make_type(self, span: Span, parts: list[Node]) -> tuple[Node, ast.Unit | None]:
        return parts[0], parts[1] if len(parts) > 1 else None

    def make_schedule(self, span: Span, parts: list[Node]) -> ast.Schedule:
        word, trigger, _, outputs = parts[:4]
        target = str(parts[5])[1:-1] if len(parts) > 4 else None
        stops = outputs == (ast.Name("stop"),)
        if target is None and not stops:
            self.fail("E165", "this line does not say where to write", span,
                      'end it with a file, `… -> "result.h5"`')  # fmt: skip
        if target is not None and stops:
            self.fail("E165", "`stop` writes no file", span, "delete the arrow and the file")
        return ast.Schedule(str(word), trigger, outputs, target, span=span)

    # ---- arithmetic --------------------------------------------------------------------

    def binary(self, operator: str, span: Span, left: Node, right: Node) -> ast.Binary:
        return ast.Binary(operator, left, right, span=span)

    def make_tolerance(self, span: Span, parts: list[Node]) -> ast.Binary:
        return self.binary("±", span, parts[0], parts[-1])

    def make_add(self, span: Span, parts: list[Node]) -> ast.Binary:
        return self.binary("+", span, parts[0], parts[-1])

    def make_subtract(self, span: Span, parts: list[Node]) -> ast.Binary:
        return self.binary("-", span, parts[0], parts[-1])

    def make_juxtapose(self, span: Span, parts: list[Node]) -> ast.Binary:
        return self.binary("*", span, parts[0], parts[-1])

    make_multiply = make_juxtapose

    def make_dot(self, span: Span, parts: list[Node]) -> ast.Binary:
        return self.binary("dot", span, parts[0], parts[-1])

    def make_cross(self, span: Span, parts: list[Node]) -> ast.Binary:
        return self.binary("cross", span, parts[0], parts[-1])

    def make_divide(self, span: Span, parts: list[Node]) -> ast.Binary:
        return self.binary("/", span, parts[0], parts[-1])

    def make_negate(self, span: Span, parts: list[Node]) -> ast.Negate:
        return ast.Negate(parts[-1], span=span)

    def make_plus(self, span: Span, parts: list[Node]) -> Node:
        return parts[-1]

    make_brackets = make_plus

    def make_power(self, span: Span, parts: list[Node]) -> ast.Binary:
        return self.raise_to(span, parts[0], parts[-1])

    def make_superscript(self, span: Span, parts: list[Node]) -> ast.Binary:
        return self.raise_to(span, parts[0], self.exponent(parts[1]))

    def exponent(self, token: Token) -> Node:
        digits = superscript_text(token.lstrip("^*"))
        span = self.span_of(token)
        number = self.number(digits.lstrip("+-"), span)
        return ast.Negate(number, span=span) if digits.startswith("-") else number

    def raise_to(self, span: Span, base: Node, exponent: Node) -> ast.Binary:
        size = constant_value(exponent)
        if size is not None and abs(size) > MAXIMUM_EXPONENT:
            self.fail("E011", f"a power above {MAXIMUM_EXPONENT}", exponent.span or span,
                      "powers of numbers that large cannot be computed")  # fmt: skip
        return self.binary("^", span, base, exponent)

    # ---- leaves ------------------------------------------------------------------------

    def number(self, text: str, span: Span, unit: ast.Unit | None = None) -> ast.Number:
        mantissa = text.lower().partition("e")[0]
        if len(text) > MAXIMUM_DIGITS:
            self.fail("E010", f"a number of more than {MAXIMUM_DIGITS} digits", span,
                      "write it with an exponent, as in `1.5e30`")  # fmt: skip
        value = float(text)
        if math.isinf(value) or (value == 0 and mantissa.strip("0.") != ""):
            self.fail("E010", "a number beyond the range of floating point, 1e-308 to 1e308",
                      span, "choose units in which it is nearer to 1")  # fmt: skip
        return ast.Number(text, unit, span=span)

    def make_number(self, span: Span, parts: list[Node]) -> ast.Number:
        return self.number(str(parts[0]), span, parts[1] if len(parts) > 1 else None)

    def make_string(self, span: Span, parts: list[Node]) -> ast.String:
        return ast.String(str(parts[0])[1:-1], span=span)

    def make_name(self, span: Span, parts: list[Node]) -> ast.Name:
        return ast.Name(canonical_name(parts[0]), span=span)

    def make_infinity(self, span: Span, parts: list[Node]) -> ast.Name:
        return ast.Name("inf", span=span)

    def make_boundary(self, span: Span, parts: list[Node]) -> ast.BoundaryOf:
        _, name, order = derivative_parts(parts[0])
        if order != 1:
            self.fail("E162", "a boundary has no power", span, f"write `∂{name}`")
        return ast.BoundaryOf(name, span=span)

    def make_tuple(self, span: Span, parts: list[Node]) -> ast.TupleLiteral:
        return ast.TupleLiteral(tuple(parts), span=span)

    def make_list(self, span: Span, parts: list[Node]) -> ast.ListLiteral:
        return ast.ListLiteral(tuple(parts), span=span)

    def make_subscript(self, span: Span, parts: list[Node]) -> ast.Subscript:
        indices = parts[-1]
        index = indices[0] if len(indices) == 1 else ast.TupleLiteral(
            indices, span=indices[0].span.to(indices[-1].span)
        )  # fmt: skip
        return ast.Subscript(parts[0], index, span=span)

    def make_indexed_field(self, span: Span, parts: list[Node]) -> ast.IndexedField:
        indexed = self.make_indexed(span, parts[:2])
        return ast.IndexedField(indexed.name, indexed.indices, tuple(parts[3]), span=span)

    def make_indexed(self, span: Span, parts: list[Node]) -> ast.Indexed:
        name, token = parts
        indices: list[tuple[str, str]] = []
        place = (token.start_pos or 0) + 0
        for match in re.finditer(r"([_^])(?:\{([^{}]*)\}|(\w))", token):
            side = "up" if match.group(1) == "^" else "down"
            text = match.group(3) or match.group(2)
            names = index_names(text)
            if not names:
                inside = Span(self.source, place + match.start(), place + match.end())
                remedy = f"write a power with brackets, `{name}^({text.strip()})`"
                self.fail("E162", "braces hold indices only, letters or digits", inside, remedy)
            indices += [(side, index) for index in names]
        return ast.Indexed(canonical_name(name), tuple(indices), span=span)

    # ---- calls -------------------------------------------------------------------------

    def make_keyword(self, span: Span, parts: list[Node]) -> ast.Keyword:
        if "." in parts[0]:
            self.fail("E164", "the name of an option has no dot", self.span_of(parts[0]))
        return ast.Keyword(canonical_name(parts[0]), parts[-1], span=span)

    def make_arguments(self, span: Span, parts: list[Node]) -> list[Node]:
        seen: set[str] = set()
        for part in parts:
            if isinstance(part, ast.Keyword):
                if part.name in seen:
                    self.fail("E164", f"`{part.name}` is given twice", part.span,
                              "keep one of the two")  # fmt: skip
                seen.add(part.name)
            elif seen:
                self.fail("E163", "a value without a name behind one with a name", part.span,
                          "put the values without names first")  # fmt: skip
        return parts

    def make_call(self, span: Span, parts: list[Node]) -> Node:
        token = parts[0]
        name = canonical_name(token, function=True, declared=self.declared.kinds)
        given: list[Node] = parts[2] if len(parts) > 2 else []
        arguments = tuple(a for a in given if not isinstance(a, ast.Keyword))
        keywords = tuple(a for a in given if isinstance(a, ast.Keyword))
        kind = self.declared.kinds.get(name)
        place = self.declared.places.get(name)
        is_declaration = place is not None and place.start == span.start
        is_field = kind == "field" and not is_declaration
        if kind in _NOT_CALLABLE or (is_field and self.is_product(name, arguments, keywords)):
            self.refuse_product(token, name, kind or "", span)
        if kind is None:
            special = self.special_call(name, arguments, keywords, span)
            if special is not None:
                return special
        return ast.Call(name, arguments, keywords, span=span)

    def is_product(
        self, name: str, arguments: tuple[Node, ...], keywords: tuple[Node, ...]
    ) -> bool:
        """Whether `u(1 - u)` means a product more likely than a value of the field u."""
        declared = self.declared.arguments.get(name, ())
        if len(arguments) != len(declared) and arguments:
            return True
        fields = {n for n, kind in self.declared.kinds.items() if kind == "field"}
        return any(mentions(argument, fields) for argument in arguments)

    def refuse_product(self, token: Token, name: str, kind: str, span: Span) -> None:
        behind = span.text[len(token) :]
        words = _NOT_CALLABLE.get(kind, f"a {kind}")
        place = self.declared.places.get(name)
        diagnostic = Diagnostic(
            "E142",
            f"`{token}` is {words}, so `{shortened(span.text)}` can be read in two ways",
            span,
            related=((place, "declared here"),) if place is not None else (),
            helps=(
                f"write `{token} {shortened(behind)}` for the product",
                f"or `{token}({self.declared.arguments[name][0]}=…)` for its value at a place"
                if kind == "field" and self.declared.arguments.get(name)
                else f"or declare a function, `{token}(x) = …`, under `let:`",
            ),
        )
        raise Mistake(diagnostic)

    def special_call(
        self, name: str, arguments: tuple[Node, ...], keywords: tuple[Node, ...], span: Span
    ) -> Node | None:
        """The ASCII twin of a form with signs of its own, else None."""
        count = len(arguments) if not keywords else 0
        first = arguments[0] if count and isinstance(arguments[0], ast.Name) else None
        if name == "boundary" and count == 1 and first is not None:
            return ast.BoundaryOf(first.identifier, span=span)
        kind, _, side = name.partition("_")
        is_form = kind in ("partial", "covariant") and side in ("", "up")
        if is_form and count == 2 and first is not None:
            side = side or "down"
            return self.index_derivative(kind, first.identifier, arguments[1], span, side)
        if name in ("dot", "cross") and count == 2:
            return self.binary(name, span, *arguments)
        along = name[1:] if name[0] == "d" and name not in ("dn", "div", "dot") else ""
        if self.declared.is_coordinate(along):
            return self.coordinate_derivative(name, arguments, keywords, span)
        return None

    def coordinate_derivative(
        self, name: str, arguments: tuple[Node, ...], keywords: tuple[Node, ...], span: Span
    ) -> Node:
        remedy = f"write `{name}(u)` or, for the second derivative, `{name}(u, 2)`"
        if keywords or not 1 <= len(arguments) <= 2:
            self.fail("E160", f"`{name}` takes what to differentiate and the order", span, remedy)
        order = 1
        if len(arguments) == 2:
            number = arguments[1]
            if not (isinstance(number, ast.Number) and number.text.isdecimal() and not number.unit):
                self.fail(
                    "E160", "the order of a derivative is a whole number", number.span, remedy
                )
            order = int(number.text)
        self.check_order(order, name[1:], span)
        return self.derivative(((name[1:], order),), arguments[0], span)

    def derivative(
        self, variables: tuple[tuple[str, int], ...], operand: Node, span: Span
    ) -> ast.Derivative:
        found = make_derivative(variables, operand, span)
        for name, order in found.variables:
            self.check_order(order, name, span)
        return found

    def check_order(self, order: int, name: str, span: Span) -> None:
        if not 1 <= order <= MAXIMUM_ORDER:
            self.fail(
                "E160", f"the order of a derivative is between 1 and {MAXIMUM_ORDER}", span,
                f"write `∂{name} u` for the first derivative, `∂{name}²u` for the second",
            )  # fmt: skip

    def make_call_power(self, span: Span, parts: list[Node]) -> ast.Binary:
        token, power, bracket, arguments = parts
        exponent = self.exponent(power)
        if isinstance(exponent, ast.Negate):
            inner = self.source.text[bracket.start_pos : span.end]
            self.fail(
                "E148", f"`{token}{power}` can mean the inverse function or the reciprocal",
                Span(self.source, span.start, power.end_pos or 0),
                f"write `a{token}{shortened(inner)}`", f"or `1/{token}{shortened(inner)}`",
            )  # fmt: skip
        return self.raise_to(span, self.make_call(span, [token, bracket, arguments]), exponent)

    def make_integral(self, span: Span, parts: list[Node]) -> ast.Call:
        given = parts[1]
        arguments = tuple(a for a in given if not isinstance(a, ast.Keyword))
        keywords = tuple(a for a in given if isinstance(a, ast.Keyword))
        return ast.Call("integral", arguments, keywords, span=span)

    # ---- prefix operators --------------------------------------------------------------

    def make_prefix(self, span: Span, parts: list[Node]) -> tuple[Span, list[Node]]:
        return span, parts

    def make_apply(self, span: Span, parts: list[Node]) -> Node:
        (place, tokens), operand = parts
        sign = tokens[0]
        power = 1
        if len(tokens) == 3 or (len(tokens) == 2 and tokens[1].type == "SUPERSCRIPT"):
            digits = superscript_text(tokens[-1])
            power = int(digits) if digits.isdecimal() and len(digits) < 4 else 0
        if sign.type == "BOX":
            return ast.Call("box", (operand,), span=span)
        if sign.type == "DERIVATIVE":
            return self.partial(sign, power, place, operand, span)
        family = self.family(sign)
        side = "up" if sign[1:2] == "^" else "down"
        if side == "up" and (len(tokens) > 1 or family in ("2", "4", "6", "8")):
            self.fail("E161", "`∇^` takes one index and stands alone", place,
                      "write `∇^{μ} φ` for the index, `∇²φ` for the Laplacian")  # fmt: skip
        if len(tokens) == 1:
            if family is None:
                return ast.Call("grad", (operand,), span=span)
            return self.index_derivative("covariant", family, operand, span, side)
        along = () if family is None else (ast.Keyword("along", ast.Name(family)),)
        if tokens[1].type == "DOT":
            return ast.Call("div", (operand,), along, span=span)
        if tokens[1].type == "CROSS":
            return ast.Call("curl", (operand,), along, span=span)
        if power not in (2, 4, 6, 8):
            self.fail("E161", "a power of ∇ is 2, 4, 6 or 8", place,
                      "write `∇²u` for the Laplacian, `∇u` for the gradient")  # fmt: skip
        for _ in range(power // 2):
            operand = ast.Call("lap", (operand,), along, span=span)
        return operand

    def family(self, sign: Token) -> str | None:
        return canonical_name(sign[2:].strip("{} ")) if len(sign) > 1 else None

    def partial(self, sign: Token, power: int, place: Span, operand: Node, span: Span) -> Node:
        underscore, name, order = derivative_parts(sign)
        if power != 1:
            order = power if order == 1 else 0
        self.check_order(order, name, place)
        if name == NORMAL:
            for _ in range(order):
                operand = ast.Call("dn", (operand,), span=span)
            return operand
        side = "up" if sign[1] == "^" else "down"
        if underscore and (side == "up" or not self.declared.is_coordinate(name)):
            if order != 1:
                self.fail("E160", "a derivative along an index has order one", place,
                          f"write it twice, `∂_{name} ∂_ν`")  # fmt: skip
            return self.index_derivative("partial", name, operand, span, side)
        return self.derivative(((name, order),), operand, span)

    def index_derivative(
        self, kind: str, index: str, operand: Node, span: Span, side: str = "down"
    ) -> Node:
        if not re.fullmatch(r"\w+", index):
            self.fail("E162", "a derivative has one index", span, "write `∂_μ φ`")
        if kind == "partial" and side == "down":
            if index == NORMAL:
                return ast.Call("dn", (operand,), span=span)
            if self.declared.is_coordinate(index):
                return self.derivative(((index, 1),), operand, span)
        return ast.IndexDerivative(kind, index, operand, side, span=span)

    def make_advect(self, span: Span, parts: list[Node]) -> ast.Call:
        velocity, _, nabla, operand = parts
        family = self.family(nabla)
        along = () if family is None else (ast.Keyword("along", ast.Name(family)),)
        return ast.Call("advect", (velocity, operand), along, span=span)
