"""The text of expressions and of single statements; `printer.py` makes files of them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pdesl.language import ast
from pdesl.language.declared import Declared
from pdesl.language.names import ELEMENTARY_FUNCTIONS, ascii_name, canonical_name, index_names

__all__ = ["INDENT", "TreePrinter"]

INDENT = "    "

# What may stand at a place, from the loosest to the tightest.
_ANY, _SUM, _PRODUCT, _FACTOR, _PRIMARY = range(5)

_SUPERSCRIPTS = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
_SIGNS = {"~=": "≈", "<=": "≤", ">=": "≥"}
_PREFIXES = {"grad": "∇", "div": "∇·", "curl": "∇×", "lap": "∇²", "box": "□", "dn": "∂n"}
_FUNCTIONS_WITH_POWERS = frozenset(
    ["sin", "cos", "tan", "cot", "sec", "csc", "sinh", "cosh", "tanh", "sech"]
)
_RESERVED_DERIVATIVES = frozenset(("div", "dn", "dot"))


class TreePrinter:
    """Prints the parts of a file, in one style, knowing the names that the file declares."""

    def __init__(self, style: str, declared: Declared | None):
        if style not in ("unicode", "ascii"):
            raise ValueError(f"no style `{style}`: choose unicode or ascii")
        self.unicode = style == "unicode"
        self.declared = declared
        # Texts by node: products ask for the same text several times. The node is kept with
        # its text, so that its identity cannot pass to another.
        self.texts: dict[int, tuple[str, int, ast.Expression]] = {}

    # ---- statements --------------------------------------------------------------------

    def statement(self, node: ast.Statement) -> str:
        text, regions = self.parts(node)
        return f"{text}    {regions}" if regions else text

    def parts(self, node: ast.Statement) -> tuple[str, str]:
        """A statement without its regions, and these."""
        if isinstance(node, ast.Relation):
            sign = self.sign(node.operator)
            text = f"{self.expression(node.left)} {sign} {self.expression(node.right)}"
            return text, self.regions(node.regions)
        return self.other(node), ""

    def other(self, node: ast.Membership | ast.Declaration | ast.Schedule) -> str:
        if isinstance(node, ast.Membership):
            sign = "∈" if self.unicode else "in"
            return f"{self.items(node.members)} {sign} {self.expression(node.set)}"
        if isinstance(node, ast.Declaration):
            names = ", ".join(self.declared_name(name) for name in node.names)
            unit = f" [{self.unit(node.unit)}]" if node.unit else ""
            return f"{names} : {self.declared_name(node.type)}{unit}"
        target = f' -> "{node.target}"' if node.target is not None else ""
        trigger = self.condition(node.trigger)
        return f"{node.kind} {trigger}: {self.items(node.outputs)}{target}"

    def broken_statement(self, node: ast.Statement) -> str | None:
        """A relation over several lines, one argument of its right side on each."""
        if not isinstance(node, ast.Relation):
            return None
        right = node.right
        if isinstance(right, ast.Call) and self.plain_call(right):
            opening, closing = f"{self.function(right)}(", ")"
            inside = self.argument_texts(right)
        elif isinstance(right, ast.ListLiteral):
            opening, closing = "[", "]"
            inside = [self.expression(item) for item in right.items]
        else:
            return None
        if not inside:
            return None
        head = f"{INDENT}{self.expression(node.left)} {self.sign(node.operator)} {opening}"
        body = [f"{INDENT * 2}{text}," for text in inside]
        regions = self.regions(node.regions)
        end = f"{INDENT}{closing}" + (f"    {regions}" if regions else "")
        return "\n".join([head, *body, end])

    def regions(self, regions: Sequence[ast.Expression]) -> str:
        if not regions:
            return ""
        return "on " + ", ".join(self.condition(region) for region in regions)

    def declared_name(self, node: ast.Expression) -> str:
        if isinstance(node, ast.Call):
            return f"{self.function(node)}({', '.join(self.argument_texts(node))})"
        if isinstance(node, ast.IndexedField):
            indices = self.indices(node.indices)
            return f"{self.name(node.name)}{indices}({self.items(node.arguments)})"
        return self.expression(node)

    def sign(self, operator: str) -> str:
        return _SIGNS.get(operator, operator) if self.unicode else operator

    def condition(self, node: ast.Expression) -> str:
        if isinstance(node, ast.Comparison):
            left, right = self.expression(node.left), self.expression(node.right)
            return f"{left} {self.sign(node.operator)} {right}"
        return self.expression(node)

    # ---- expressions -------------------------------------------------------------------

    def expression(self, node: ast.Expression) -> str:
        return self.at(node, _ANY)

    def items(self, nodes: Sequence[ast.Expression]) -> str:
        return ", ".join(self.expression(node) for node in nodes)

    def at(self, node: ast.Expression, level: int) -> str:
        """The text of a node at a place that takes `level` or tighter, in brackets if need be."""
        text, own = self.text(node)
        return text if own >= level else f"({text})"

    def text(self, node: ast.Expression) -> tuple[str, int]:
        """The text of a node without brackets around it, and how tightly it binds."""
        known = self.texts.get(id(node))
        if known is None:
            known = (*self.make_text(node), node)
            self.texts[id(node)] = known
        return known[:2]

    def make_text(self, node: ast.Expression) -> tuple[str, int]:
        if isinstance(node, ast.Number):
            unit = f" [{self.unit(node.unit)}]" if node.unit else ""
            return f"{node.text}{unit}", _FACTOR
        if isinstance(node, ast.String):
            return f'"{node.value}"', _FACTOR
        if isinstance(node, ast.Name):
            if node.identifier == "inf" and self.unicode:
                return "∞", _PRIMARY
            return self.name(node.identifier), _PRIMARY
        if isinstance(node, ast.Negate):
            return f"-{self.at(node.operand, _PRODUCT)}", _SUM
        if isinstance(node, ast.Binary):
            return self.binary(node)
        if isinstance(node, ast.Call):
            return self.call(node)
        if isinstance(node, ast.Derivative):
            return self.derivative(node)
        if isinstance(node, ast.IndexDerivative):
            return self.index_derivative(node)
        if isinstance(node, ast.Indexed):
            return self.name(node.name) + self.indices(node.indices), _PRIMARY
        if isinstance(node, ast.Subscript):
            return self.subscript(node), _PRIMARY
        if isinstance(node, ast.TupleLiteral):
            if not node.items:
                raise ValueError("an empty tuple cannot be written")
            comma = "," if len(node.items) == 1 else ""
            return f"({self.items(node.items)}{comma})", _PRIMARY
        if isinstance(node, ast.ListLiteral):
            if not node.items:
                raise ValueError("an empty list cannot be written")
            return f"[{self.items(node.items)}]", _FACTOR
        if isinstance(node, ast.BoundaryOf):
            return self.boundary(node.region), _PRIMARY
        raise ValueError(f"a {type(node).__name__} cannot stand inside an expression")

    def name(self, name: str) -> str:
        return name if self.unicode else ascii_name(name) or name

    def binary(self, node: ast.Binary) -> tuple[str, int]:
        operator = node.operator
        if operator == "±":
            sign = "±" if self.unicode else "+/-"
            return f"{self.at(node.left, _SUM)} {sign} {self.at(node.right, _SUM)}", _ANY
        if operator in ("+", "-"):
            left = self.at(node.left, _SUM)
            return f"{left} {operator} {self.at(node.right, _PRODUCT)}", _SUM
        if operator == "^":
            return self.power(node)
        if operator == "/":
            left = self.left_factor(node.left, ("dot", "cross"))
            return f"{left}/{self.at(node.right, _FACTOR)}", _PRODUCT
        if operator in ("dot", "cross"):
            if not self.unicode:
                left, right = self.expression(node.left), self.expression(node.right)
                return f"{operator}({left}, {right})", _PRIMARY
            sign = "·" if operator == "dot" else "×"
            left = self.left_factor(node.left, ())
            return f"{left} {sign} {self.at(node.right, _FACTOR)}", _PRODUCT
        if operator != "*":
            raise ValueError(f"no operator `{operator}`")
        right = self.at(node.right, _FACTOR)
        if self.may_juxtapose(node.left, node.right):
            return f"{self.left_factor(node.left, ('/', 'dot', 'cross'))} {right}", _PRODUCT
        return f"{self.left_factor(node.left, ())} * {right}", _PRODUCT

    def may_juxtapose(self, left: ast.Expression, right: ast.Expression) -> bool:
        """Whether a product of the two can be written without a sign."""
        _, level = self.text(right)
        if level >= _FACTOR and self.starts_badly(right):
            return False
        last = left
        while isinstance(last, ast.Binary) and last.operator in ("*", "/", "dot", "cross"):
            last = last.right
        if isinstance(last, ast.String | ast.ListLiteral):
            return False
        return not (isinstance(last, ast.Name) and last.identifier in ELEMENTARY_FUNCTIONS)

    def starts_badly(self, node: ast.Expression) -> bool:
        if isinstance(node, ast.Binary) and node.operator == "^":
            return isinstance(node.left, ast.Number | ast.ListLiteral)
        return isinstance(node, ast.Number | ast.String | ast.ListLiteral)

    def left_factor(self, node: ast.Expression, bracketed: tuple[str, ...]) -> str:
        """The left side of a product: `∂x u` at its end and some operators get brackets."""
        operator = node.operator if isinstance(node, ast.Binary) else ""
        if operator in bracketed and (self.unicode or operator == "/"):
            return f"({self.text(node)[0]})"
        text = self.at(node, _PRODUCT)
        if self.is_spaced(node):
            return f"({text})"
        if isinstance(node, ast.Binary) and node.operator in ("*", "/", "dot", "cross"):
            last = node.right
            if self.is_spaced(last):
                operand = self.at(last, _FACTOR)
                return f"{text[: -len(operand)]}({operand})"
        return text

    def is_spaced(self, node: ast.Expression) -> bool:
        """Whether a node prints as a prefix operator and, behind a space, its operand."""
        text, level = self.text(node)
        return level == _FACTOR and re.match(r"[∂∇□][^( ]* ", text) is not None

    def power(self, node: ast.Binary) -> tuple[str, int]:
        base, exponent = node.left, node.right
        digits = self.integer(exponent)
        if self.unicode and digits is not None:
            upper = digits.translate(_SUPERSCRIPTS)
            if self.takes_power(base) and not digits.startswith("-"):
                assert isinstance(base, ast.Call)
                arguments = ", ".join(self.argument_texts(base))
                return f"{self.function(base)}{upper}({arguments})", _PRIMARY
            return f"{self.base(base)}{upper}", _FACTOR
        return f"{self.base(base)}^{self.exponent(exponent)}", _FACTOR

    def takes_power(self, base: ast.Expression) -> bool:
        if not isinstance(base, ast.Call) or base.function not in _FUNCTIONS_WITH_POWERS:
            return False
        kind = self.declared.kinds.get(base.function) if self.declared else None
        return bool(base.arguments) and kind in (None, "function")

    def base(self, node: ast.Expression) -> str:
        if isinstance(node, ast.Number) and node.unit is None:
            return self.at(node, _FACTOR)
        if isinstance(node, ast.ListLiteral):
            return self.at(node, _FACTOR)
        if isinstance(node, ast.Indexed | ast.BoundaryOf):
            return f"({self.text(node)[0]})"
        text = self.at(node, _PRIMARY)
        is_power = isinstance(node, ast.Binary) and node.operator == "^" and text[-1:] == ")"
        return f"({text})" if is_power and not text.startswith("(") else text

    def integer(self, node: ast.Expression) -> str | None:
        """The digits of a whole number, with a minus sign where there is one."""
        minus = ""
        if isinstance(node, ast.Negate):
            minus, node = "-", node.operand
        if isinstance(node, ast.Number) and node.unit is None and node.text.isdecimal():
            return minus + node.text
        return None

    def exponent(self, node: ast.Expression) -> str:
        minus = ""
        inner = node
        if isinstance(node, ast.Negate):
            minus, inner = "-", node.operand
        if isinstance(inner, ast.Number) and inner.unit is None:
            return minus + inner.text
        text, level = self.text(inner)
        # A power would read as a tower, an index as one of the base.
        simple = isinstance(inner, ast.Name | ast.Call | ast.Subscript | ast.TupleLiteral)
        if level == _PRIMARY and simple:
            return minus + text
        return f"({self.expression(node)})"

    # ---- calls and prefix operators ----------------------------------------------------

    def function(self, node: ast.Call) -> str:
        twin = ascii_name(node.function)
        if self.unicode or twin is None:
            return node.function
        kinds = self.declared.kinds if self.declared else {node.function: "function"}
        same = canonical_name(twin, function=True, declared=kinds) == node.function
        return twin if same else node.function

    def argument_texts(self, node: ast.Call) -> list[str]:
        texts: list[str] = []
        for argument in node.arguments:
            if isinstance(argument, ast.Comparison) and argument.operator == "=":
                raise ValueError("an equation cannot be an argument")
            texts.append(self.condition(argument))
        return texts + [
            f"{self.name(keyword.name)}={self.expression(keyword.value)}"
            for keyword in node.keywords
        ]

    def family(self, node: ast.Call) -> str | None:
        """`_x` for `along=x`, an empty text without keywords, None for other keywords."""
        if not node.keywords:
            return ""
        keyword = node.keywords[0]
        is_family = len(node.keywords) == 1 and keyword.name == "along"
        if is_family and node.function in ("div", "curl", "lap", "advect"):
            value = keyword.value
            if isinstance(value, ast.Name) and re.fullmatch(r"[^\W\d_]\w*", value.identifier):
                return f"_{value.identifier}"
        return None

    def plain_call(self, node: ast.Call) -> bool:
        """Whether a call is written with its name and brackets in either style."""
        return not self.unicode or node.function not in (*_PREFIXES, "advect", "integral")

    def call(self, node: ast.Call) -> tuple[str, int]:
        name = node.function
        if self.unicode:
            family = self.family(node)
            simple = not any(isinstance(a, ast.Comparison) for a in node.arguments)
            if name in _PREFIXES and len(node.arguments) == 1 and family is not None and simple:
                return self.prefix(node, family), _FACTOR
            if name == "advect" and len(node.arguments) == 2 and family is not None and simple:
                velocity, operand = node.arguments
                text = f"({self.at(velocity, _PRIMARY)}·∇{family})"
                return text + self.operand(operand, tight=True), _FACTOR
            if name == "integral" and (node.arguments or node.keywords):
                return f"∫({', '.join(self.argument_texts(node))})", _PRIMARY
        return f"{self.function(node)}({', '.join(self.argument_texts(node))})", _PRIMARY

    def prefix(self, node: ast.Call, family: str) -> str:
        sign = _PREFIXES[node.function]
        operand = node.arguments[0]
        if node.function == "lap":
            order = 2
            while (
                order < 8 and isinstance(operand, ast.Call) and operand.function == "lap"
                and operand.keywords == node.keywords and len(operand.arguments) == 1
                and not isinstance(operand.arguments[0], ast.Comparison)
            ):  # fmt: skip
                order += 2
                operand = operand.arguments[0]
            sign = "∇" + family + str(order).translate(_SUPERSCRIPTS)
        elif family:
            sign = sign[0] + family + sign[1:]
        return sign + self.operand(operand, tight=node.function != "dn")

    def operand(self, node: ast.Expression, *, tight: bool) -> str:
        """What a prefix operator acts on; brackets around a power remove a doubt of paper."""
        text, level = self.text(node)
        is_power = isinstance(node, ast.Binary) and level >= _FACTOR
        is_literal = isinstance(node, ast.Number | ast.String | ast.ListLiteral)
        if level < _FACTOR or is_power or is_literal:
            return f"({text})"
        if text.startswith("(") and isinstance(node, ast.TupleLiteral):
            return text
        return text if tight else f" {text}"

    def derivative(self, node: ast.Derivative) -> tuple[str, int]:
        if not self.unicode and all(self.has_twin(name) for name, _ in node.variables):
            text = self.expression(node.operand)
            for name, order in reversed(node.variables):
                twin = ascii_name(f"d{name}")
                text = f"{twin}({text})" if order == 1 else f"{twin}({text}, {order})"
            return text, _PRIMARY
        signs = "".join(
            f"∂{name}" + ("" if order == 1 else str(order).translate(_SUPERSCRIPTS))
            for name, order in node.variables
        )
        tight = node.variables[-1][1] != 1
        return signs + self.operand(node.operand, tight=tight), _FACTOR

    def has_twin(self, name: str) -> bool:
        """Whether `d…(u)` reads back as a derivative along a name."""
        call = f"d{name}"
        if ascii_name(call) is None or call in _RESERVED_DERIVATIVES:
            return False
        return self.declared is None or (
            self.declared.is_coordinate(name) and call not in self.declared.kinds
        )

    def index_derivative(self, node: ast.IndexDerivative) -> tuple[str, int]:
        if self.unicode:
            sign = ("∂" if node.kind == "partial" else "∇") + "_^"[node.side == "up"]
            return f"{sign}{node.index}{self.operand(node.operand, tight=False)}", _FACTOR
        index, operand = self.name(node.index), self.expression(node.operand)
        form = f"{node.kind}_up" if node.side == "up" else node.kind
        return f"{form}({index}, {operand})", _PRIMARY

    def indices(self, indices: Sequence[tuple[str, str]]) -> str:
        groups: list[tuple[str, list[str]]] = []
        for side, index in indices:
            if groups and groups[-1][0] == side:
                groups[-1][1].append(index)
            else:
                groups.append((side, [index]))
        text = ""
        for side, names in groups:
            written = [self.name(name) for name in names]
            inside = "".join(written)
            if index_names(inside) != names:
                inside = " ".join(written) + ("," if len(written) == 1 else "")
            text += f"{'^' if side == 'up' else '_'}{{{inside}}}"
        return text

    def subscript(self, node: ast.Subscript) -> str:
        base = self.at(node.base, _PRIMARY)
        touching = isinstance(node.base, ast.Name | ast.Subscript | ast.Indexed | ast.Call)
        if (not touching and not base.endswith(")")) or base == "∞":
            base = f"({base})"
        index = node.index
        if isinstance(index, ast.TupleLiteral) and len(index.items) > 1:
            return f"{base}[{self.items(index.items)}]"
        return f"{base}[{self.expression(index)}]"

    def boundary(self, region: str) -> str:
        kind = self.declared.kinds.get(region) if self.declared else None
        plain = "." not in region
        if self.unicode and plain and (kind == "region" or (kind is None and region[0] == "Ω")):
            return f"∂{region}"
        return f"boundary({self.name(region)})"

    def unit(self, unit: ast.Unit) -> str:
        text = unit.text
        pieces: list[str] = []
        divided = [False]
        for piece in re.findall(r"\^\(-?\d+/\d+\)|\^-?\d+|[^^]", text):
            if piece == "(":
                divided.append(False)
            elif piece == ")":
                divided.pop()
            elif piece == "/":
                divided[-1] = True
            elif piece == "*" and not divided[-1]:
                piece = " "
            elif self.unicode and re.fullmatch(r"\^-?\d+", piece):
                piece = piece[1:].translate(_SUPERSCRIPTS)
            elif not self.unicode and piece in "μΩ":
                piece = "u" if piece == "μ" else "ohm"
            pieces.append(piece)
        return "".join(pieces)
