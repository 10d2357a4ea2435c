"""Physical units: read, brought to SI base units, checked, and then left behind.

A number with a unit enters a problem in SI base units, so `5 [km]` is 5000 and everything
downstream is plain numbers. When a file names any unit at all, `check_module` follows the
dimensions through every equation and definition. The units themselves are pint's; the texts are
read here, name by name, and never evaluated.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from typing import Any

from pdesl.diagnostics import Diagnostic, Span
from pdesl.language import ast

__all__ = ["Dimension", "UnitError", "Units", "base_unit", "check_module", "factor", "parse_unit"]

_TOKEN = re.compile(r"\s*(?:(?P<name>[^\W\d_][^\W\d]*|%|°)|(?P<number>-?\d+)|(?P<mark>[*/^()]))")


class UnitError(Exception):
    """A unit that cannot be read: why, and what to do about it."""

    def __init__(self, message: str, help: str = "write [m], [kg/s²] or [W/(m K)]"):  # noqa: A002
        self.help = help
        super().__init__(message)


_BASE_UNITS = {
    "[length]": "m", "[mass]": "kg", "[time]": "s", "[temperature]": "K", "[current]": "A",
    "[substance]": "mol", "[luminosity]": "cd",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Dimension:
    """Powers of base quantities, `(("[length]", 1), ("[time]", -2))`."""

    powers: tuple[tuple[str, Fraction], ...] = ()

    def times(self, other: Dimension, power: Fraction = Fraction(1)) -> Dimension:
        total = dict(self.powers)
        for name, exponent in other.powers:
            total[name] = total.get(name, Fraction(0)) + exponent * power
        return Dimension(tuple(sorted((n, p) for n, p in total.items() if p)))

    def unit(self) -> str | None:
        """The SI base unit, `K m^-1`, as files have it; None where a power is no whole number."""
        if not self.powers:
            return "1"
        if any(p.denominator != 1 or n not in _BASE_UNITS for n, p in self.powers):
            return None
        ordered = sorted(self.powers, key=lambda own: own[1] < 0)
        return " ".join(_BASE_UNITS[n] + (f"^{p}" if p != 1 else "") for n, p in ordered)

    def words(self) -> str:
        if not self.powers:
            return "a pure number"
        parts = []
        for name, power in self.powers:
            parts.append(name.strip("[]") + (f"^{power}" if power != 1 else ""))
        return " ".join(parts)


@cache
def _registry() -> Any:
    import pint

    return pint.UnitRegistry(cache_folder=None)


@cache
def _base(name: str) -> tuple[Fraction, Dimension]:
    """One unit in SI base units."""
    import pint

    registry = _registry()
    try:
        if registry.Quantity(0, name).to_base_units().magnitude != 0:  # °C and °F
            raise UnitError(f"`{name}` does not start at zero", "convert it to kelvin, [K]")
        base = registry.Quantity(1, name).to_base_units()
    except pint.UndefinedUnitError:
        raise UnitError(f"`{name}` is no unit that is known", "units of the SI and their usual "
                        "multiples have their usual names, [km], [ms], [K]") from None  # fmt: skip
    dimension = Dimension(
        tuple(
            sorted((n, Fraction(p).limit_denominator(100)) for n, p in base.dimensionality.items())
        )
    )
    return Fraction(str(float(base.magnitude))), dimension


@cache
def parse_unit(text: str) -> tuple[Fraction, Dimension]:
    """The factor to SI base units and the dimension of a unit text such as `m^2/s`.

    Raises:
        UnitError: an unknown name or a malformed text.
    """
    tokens: list[tuple[str, str]] = []
    position = 0
    while position < len(text.rstrip()):
        match = _TOKEN.match(text, position)
        if match is None:
            raise UnitError(f"`{text}` cannot be read as a unit")
        tokens.append((match.lastgroup or "", match.group(match.lastgroup or 0)))
        position = match.end()
    value, dimension, rest = _product(tokens)
    if rest:
        raise UnitError(f"`{text}` cannot be read as a unit")
    return value, dimension


_Tokens = list[tuple[str, str]]


def _product(tokens: _Tokens) -> tuple[Fraction, Dimension, _Tokens]:
    value, dimension, tokens = _factor(tokens)
    while tokens and tokens[0][1] != ")":
        sign = 1
        if tokens[0][1] in "*/":
            sign = -1 if tokens[0][1] == "/" else 1
            tokens = tokens[1:]
        right, other, tokens = _factor(tokens)
        value = value * right**sign
        dimension = dimension.times(other, Fraction(sign))
    return value, dimension, tokens


def _factor(tokens: _Tokens) -> tuple[Fraction, Dimension, _Tokens]:
    if not tokens:
        raise UnitError("a unit ends too early")
    (kind, text), tokens = tokens[0], tokens[1:]
    if text == "(":
        value, dimension, tokens = _product(tokens)
        if not tokens or tokens[0][1] != ")":
            raise UnitError("a bracket is not closed")
        tokens = tokens[1:]
    elif kind == "name":
        value, dimension = _base(text)
    elif kind == "number" and text == "1":
        value, dimension = Fraction(1), Dimension()
    else:
        raise UnitError(f"`{text}` is no unit")
    if tokens and tokens[0][1] == "^":
        if len(tokens) < 2 or tokens[1][0] != "number" or abs(int(tokens[1][1])) > 20:
            raise UnitError("the power of a unit is a small whole number")
        power = int(tokens[1][1])
        value, dimension = value**power, Dimension().times(dimension, Fraction(power))
        tokens = tokens[2:]
    return value, dimension, tokens


def factor(text: str) -> Fraction:
    """What a number with this unit is multiplied by. Raises `UnitError`."""
    return parse_unit(text)[0]


def base_unit(text: str | None) -> str | None:
    """The unit that values are in whose unit was declared as `text`: this one, else the SI's base.

    Numbers are kept in SI base units, so that what is declared in [mm] is in m.
    """
    if text is None:
        return None
    try:
        scale, dimension = parse_unit(text)
    except UnitError:  # reported where the file is checked
        return None
    return text if scale == 1 else dimension.unit()


# -- checking ------------------------------------------------------------------------------

_ANY = None  # a zero, which has every dimension


@dataclass(slots=True)
class _Checker:
    report: Callable[[Diagnostic], None]
    known: dict[str, Dimension | None] = field(default_factory=dict)
    # Coordinates whose bounds are pure numbers.
    plain: list[str] = field(default_factory=list)

    def of(self, node: Any) -> Dimension | None:
        """The dimension of an expression; None for one that fits anything (zero, undeclared)."""
        match node:
            case ast.Number(text, unit):
                if unit is not None:
                    return self._unit(unit)
                return _ANY if not text.strip("0.") else Dimension()
            case ast.Name(identifier):
                return self.known.get(
                    identifier, Dimension() if identifier in ("pi", "π") else _ANY
                )
            case ast.Negate(operand) | ast.Subscript(operand, _):
                return self.of(operand)
            case ast.TupleLiteral(items) | ast.ListLiteral(items):
                return self._same(items)
            case ast.Binary(operator, left, right):
                return self._binary(operator, left, right)
            case ast.Derivative(variables, operand):
                result = self.of(operand)
                for name, order in variables:
                    along = self.known.get(name)
                    if result is None or along is None:
                        return _ANY
                    result = result.times(along, Fraction(-order))
                return result
            case ast.Call():
                return self._call(node)
        return _ANY

    def _unit(self, unit: ast.Unit) -> Dimension | None:
        try:
            return parse_unit(unit.text)[1]
        except UnitError as error:
            self.report(Diagnostic("E332", str(error), unit.span, helps=(error.help,)))
            return _ANY

    def _same(self, nodes: Iterable[Any]) -> Dimension | None:
        result: Dimension | None = _ANY
        for node in nodes:
            own = self.of(node)
            if result is None:
                result = own
            elif own is not None and own != result:
                self._clash(node.span, result, own)
        return result

    def _clash(self, span: Span | None, left: Dimension, right: Dimension) -> None:
        helps = ["give the numbers here their units, `9.81 [m/s²]`"]
        if self.plain:
            names = ", ".join(f"`{name}`" for name in self.plain)
            unit = "s" if self.plain == ["t"] else "m"
            helps.append(
                f"{names} {'has' if len(self.plain) == 1 else 'have'} no unit: give the bounds in "
                f"`domain:` theirs, `{self.plain[0]} ∈ [0 [{unit}], 1 [{unit}]]`"
            )
        self.report(
            Diagnostic(
                "E307", f"units do not agree: {left.words()} against {right.words()}", span,
                label=right.words(),
                helps=tuple(helps),
            )
        )  # fmt: skip

    def _binary(self, operator: str, left: Any, right: Any) -> Dimension | None:
        if operator in ("+", "-", "±"):
            return self._same((left, right))
        a, b = self.of(left), self.of(right)
        if operator == "^":
            exponent = _rational(right)
            if a is None or exponent is None:
                return a if a is not None and not a.powers else _ANY
            return Dimension().times(a, exponent)
        if a is None or b is None:
            return _ANY
        return a.times(b, Fraction(-1 if operator == "/" else 1))

    def _call(self, node: ast.Call) -> Dimension | None:
        inner = [self.of(argument) for argument in node.arguments]
        space = self.known.get("space of the domain")
        match node.function:
            case "grad" | "div" | "curl" | "dn" | "lap" if space is not None and inner:
                power = Fraction(-2 if node.function == "lap" else -1)
                return None if inner[0] is None else inner[0].times(space, power)
            case "advect" if space is not None and len(inner) == 2:
                a, b = inner
                return None if a is None or b is None else a.times(b).times(space, Fraction(-1))
            case "exact" | "stiff" | "nonstiff" | "abs" | "norm" | "mean" | "sum":
                return inner[0] if inner else _ANY
            case "min" | "max":
                return self._same(node.arguments)
            case "sqrt":
                return None if inner[0] is None else Dimension().times(inner[0], Fraction(1, 2))
            case "sin" | "cos" | "tan" | "exp" | "log" | "sinh" | "cosh" | "tanh" | "erf":
                own = inner[0] if inner else None
                if own is not None and own.powers:
                    self._clash(node.arguments[0].span, Dimension(), own)
                return Dimension()
        return _ANY


def _rational(node: Any) -> Fraction | None:
    match node:
        case ast.Number(text, None):
            return Fraction(text) if abs(float(text)) < 100 else None
        case ast.Negate(operand):
            value = _rational(operand)
            return None if value is None else -value
        case ast.Binary("/", left, right):
            above, below = _rational(left), _rational(right)
            return above / below if above is not None and below else None
    return None


def _has_units(node: Any) -> bool:
    stack = [node]
    while stack:
        item = stack.pop()
        if isinstance(item, ast.Unit):
            return True
        if isinstance(item, tuple):
            stack.extend(item)
        elif isinstance(item, ast.Node):
            stack.extend(getattr(item, name) for name in item.__match_args__)
    return False


@dataclass(frozen=True, slots=True)
class Units:
    """Units of what a module names, in SI base units; None for what is not known."""

    _checker: _Checker
    _directions: int

    def of_name(self, name: str) -> str | None:
        found = self._checker.known.get(name)
        return None if found is None else found.unit()

    def of_output(self, node: Any) -> str | None:
        """The unit of what a line of `output:` writes, measures of the domain included."""
        found = self._output(node)
        return None if found is None else found.unit()

    def _output(self, node: Any) -> Dimension | None:
        checker, space = self._checker, self._checker.known.get("space of the domain")
        match node:
            case ast.Call(function, (), keywords) if keywords:  # a probe, `u(x=0.5)`
                return checker.known.get(function)
            case ast.Call("integral" | "norm", (inner,)) if space is not None:
                own = checker.of(inner)
                share = Fraction(self._directions, 1 if node.function == "integral" else 2)
                return None if own is None else own.times(space, share)
            case ast.Call("integral" | "norm"):
                return _ANY
            case ast.Call("sqrt", (inner,)):
                own = self._output(inner)
                return None if own is None else Dimension().times(own, Fraction(1, 2))
            case ast.Binary("*" | "/" as sign, left, right):
                a, b = self._output(left), self._output(right)
                if a is None or b is None:
                    return _ANY
                return a.times(b, Fraction(1 if sign == "*" else -1))
        return checker.of(node)


def check_module(module: ast.Module, report: Callable[[Diagnostic], None]) -> Units | None:
    """Follow dimensions through a module that names units; report each disagreement (E307).

    A coordinate takes the dimension of its bounds, a field that of its declared unit; what has
    no stated dimension fits anything. None for a module that names no unit.
    """
    if not _has_units(tuple(module.blocks)):
        return None
    checker = _Checker(report)
    for statement in module.block("parameters"):
        if isinstance(statement, ast.Relation) and isinstance(statement.left, ast.Name):
            checker.known[statement.left.identifier] = checker.of(statement.right)
    lengths: list[Dimension | None] = []
    regions: dict[str, Dimension | None] = {}
    for statement in module.block("domain"):
        if isinstance(statement, ast.Relation) and isinstance(statement.left, ast.Name):
            regions[statement.left.identifier] = _shape_dimension(checker, statement.right)
    for statement in module.block("domain"):
        if isinstance(statement, ast.Membership):
            where: Any = statement.set
            if isinstance(where, ast.Name):
                dimension = regions.get(where.identifier)
            else:
                dimension = _shape_dimension(checker, where)
            for member in statement.members:
                if isinstance(member, ast.Name):
                    checker.known[member.identifier] = dimension
                    if dimension == Dimension():
                        checker.plain.append(member.identifier)
                    if member.identifier not in ("t", "time", "τ"):
                        lengths.append(dimension)
    if lengths and all(d == lengths[0] for d in lengths):
        checker.known["space of the domain"] = lengths[0]
    for statement in module.block("fields"):
        if isinstance(statement, ast.Declaration):
            unit = checker._unit(statement.unit) if statement.unit else Dimension()
            for name in statement.names:
                if isinstance(name, ast.Call):
                    checker.known[name.function] = unit
    _check_spacing(checker, module)
    for block in ("let", "manufactured", "equations", "boundary", "initial", "verify"):
        for statement in module.block(block):
            if not isinstance(statement, ast.Relation) or statement.operator != "=":
                continue
            if block == "let":
                if isinstance(statement.left, ast.Name):
                    checker.known[statement.left.identifier] = checker.of(statement.right)
                continue
            left, right = checker.of(statement.left), checker.of(statement.right)
            if left is not None and right is not None and left != right:
                checker._clash(statement.span, left, right)
    if module.block("metric"):  # whose volumes and gradients hold other factors
        checker.known.pop("space of the domain", None)
    return Units(checker, len(lengths))


def _check_spacing(checker: _Checker, module: ast.Module) -> None:
    """The node spacing of a solver is a length of the domain."""
    space = checker.known.get("space of the domain")
    waiting: list[Any] = [s for s in module.block("solver") if isinstance(s, ast.Relation)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Call):
            waiting += node.keywords
            continue
        name, value = "", getattr(node, "value", None)
        if isinstance(node, ast.Keyword):
            name = node.name
        elif isinstance(node, ast.Relation) and isinstance(node.left, ast.Name):
            name, value = node.left.identifier, node.right
        if name == "spacing" and space is not None:
            own = checker.of(value)
            if own is not None and own != space and isinstance(value, ast.Node):
                checker._clash(value.span, space, own)
        elif isinstance(value, ast.Call):
            waiting.append(value)


def _shape_dimension(checker: _Checker, node: Any) -> Dimension | None:
    """The dimension of a set's numbers: those of a list's items or of a shape's lengths."""
    if isinstance(node, ast.ListLiteral | ast.TupleLiteral):
        found = [_shape_dimension(checker, item) for item in node.items]
    elif isinstance(node, ast.Call):
        found = [_shape_dimension(checker, a) for a in node.arguments]
        found += [_shape_dimension(checker, k.value) for k in node.keywords if k.name != "angle"]
    else:
        return checker.of(node)
    return next((d for d in found if d is not None), _ANY)
