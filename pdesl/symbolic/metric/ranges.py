"""Ranges of coordinates and parameters as assumptions: signs that hold in the whole domain.

SymPy knows every symbol here as real, so that √(sin²θ) is |sin θ| and its derivative a sign
function. Over 0 ≤ θ ≤ π both are needless: interval arithmetic (R. E. Moore, R. B. Kearfott,
M. J. Cloud, Introduction to Interval Analysis, chapters 2 and 5) proves the sign, and `refine`
takes |·| and sign(·) away. What cannot be proved stays as it was.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import sympy

__all__ = ["Interval", "Ranges", "bounds", "refine", "sign_of"]

Interval = tuple[float, float]
Ranges = Mapping[sympy.Symbol, Interval]

_ANY: Interval = (-math.inf, math.inf)
# Functions that grow everywhere, with their values at the ends of the line.
_GROWING: dict[type, tuple[Any, float, float]] = {
    sympy.exp: (math.exp, 0.0, math.inf),
    sympy.sinh: (math.sinh, -math.inf, math.inf),
    sympy.tanh: (math.tanh, -1.0, 1.0),
    sympy.atan: (math.atan, -math.pi / 2, math.pi / 2),
    sympy.asinh: (math.asinh, -math.inf, math.inf),
}


def bounds(expression: sympy.Basic, ranges: Ranges) -> Interval:
    """An interval that holds every value of an expression, perhaps a larger one than needed.

    Args:
        expression: of coordinates and parameters.
        ranges: closed intervals of symbols; a symbol that is missing may be any number.
    """
    memo: dict[sympy.Basic, Interval] = {}

    def visit(node: sympy.Basic) -> Interval:
        found = memo.get(node)
        if found is None:
            try:
                found = _step(node, visit, ranges)
            except (ArithmeticError, ValueError):
                found = _ANY
            if math.isnan(found[0]) or math.isnan(found[1]):
                found = _ANY
            memo[node] = found
        return found

    return visit(expression)


def _step(node: sympy.Basic, visit: Any, ranges: Ranges) -> Interval:
    if isinstance(node, sympy.Symbol):
        return ranges.get(node, _ANY)
    if isinstance(node, sympy.Expr) and not node.args:
        value = float(node) if node.is_real else math.nan
        return value, value
    if isinstance(node, sympy.Add):
        inner = [visit(a) for a in node.args]
        return _widened(sum(low for low, _ in inner), sum(high for _, high in inner), inner)
    if isinstance(node, sympy.Mul):
        result: Interval = (1.0, 1.0)
        for factor in node.args:
            result = _product(result, visit(factor))
        return result
    if isinstance(node, sympy.Pow):
        return _power(visit(node.base), node.exp)
    if isinstance(node, sympy.Abs):
        return _absolute(visit(node.args[0]))
    if isinstance(node, sympy.sin):
        return _sine(visit(node.args[0]))
    if isinstance(node, sympy.cos):
        low, high = visit(node.args[0])
        return _sine((low + math.pi / 2, high + math.pi / 2))
    if isinstance(node, sympy.cosh):
        low, high = _absolute(visit(node.args[0]))
        return math.cosh(low), math.inf if math.isinf(high) else math.cosh(high)
    growing = _GROWING.get(type(node))
    if growing is not None:
        function, least, most = growing
        low, high = visit(node.args[0])
        return (
            least if low == -math.inf else function(low) if low < math.inf else most,
            most if high == math.inf else function(high) if high > -math.inf else least,
        )
    return _ANY


def _widened(low: float, high: float, parts: list[Interval]) -> Interval:
    """A sum with its rounding: an end that is zero but for rounding is zero."""
    size = max((abs(v) for p in parts for v in p if math.isfinite(v)), default=0.0)
    return tuple(0.0 if abs(v) <= 1e-14 * size else v for v in (low, high))  # type: ignore[return-value]


def _product(a: Interval, b: Interval) -> Interval:
    # 0 · ∞ is 0 here: an end of an interval at infinity is never reached.
    products = [0.0 if 0.0 in (x, y) else x * y for x in a for y in b]
    return min(products), max(products)


def _absolute(a: Interval) -> Interval:
    low, high = a
    if low <= 0.0 <= high:
        return 0.0, max(-low, high)
    return min(abs(low), abs(high)), max(abs(low), abs(high))


def _power(base: Interval, exponent: sympy.Basic) -> Interval:
    if not isinstance(exponent, sympy.Rational):
        return (0.0, math.inf) if base[0] >= 0.0 else _ANY
    power = float(exponent)
    if power < 0.0:
        low, high = _power(base, -exponent)
        if low < 0.0 < high:
            return _ANY
        ends = (1.0 / low if low != 0.0 else math.inf if high > 0.0 else -math.inf,
                1.0 / high if high != 0.0 else -math.inf if low < 0.0 else math.inf)  # fmt: skip
        return min(ends), max(ends)
    if exponent.q == 1 and exponent.p % 2:
        low, high = base
        return math.copysign(abs(low) ** power, low), math.copysign(abs(high) ** power, high)
    if exponent.q == 1:
        low, high = _absolute(base)
        return low**power, high**power
    # A root is real where its base is not negative.
    return max(base[0], 0.0) ** power, max(base[1], 0.0) ** power


def _sine(a: Interval) -> Interval:
    low, high = a
    if not (math.isfinite(low) and math.isfinite(high)) or high - low >= 2 * math.pi:
        return -1.0, 1.0

    def holds(place: float) -> bool:
        """Whether place + 2πk lies strictly inside for some k."""
        first = place + 2 * math.pi * math.ceil((low - place) / (2 * math.pi))
        return first < high

    ends = [0.0 if abs(v) <= 1e-15 else v for v in (math.sin(low), math.sin(high))]
    return (
        -1.0 if holds(-math.pi / 2) else min(ends),
        1.0 if holds(math.pi / 2) else max(ends),
    )


def sign_of(expression: sympy.Basic, ranges: Ranges) -> int:
    """1 where an expression is nowhere negative, -1 where nowhere positive, 0 if not proved."""
    low, high = bounds(expression, ranges)
    if low >= 0.0:
        return 1
    return -1 if high <= 0.0 else 0


def refine(expression: sympy.Expr, ranges: Ranges) -> sympy.Expr:
    """An expression without the |·| and sign(·) whose argument has one sign over the ranges.

    On the points where the argument vanishes, sign(·) counts as ±1, its limit from inside.
    """
    if not expression.has(sympy.Abs, sympy.sign):
        return expression
    memo: dict[sympy.Basic, sympy.Basic] = {}

    def visit(node: sympy.Basic) -> sympy.Basic:
        if not node.args or not node.has(sympy.Abs, sympy.sign):
            return node
        if node not in memo:
            arguments = [visit(a) for a in node.args]
            result: Any = node.func(*arguments)
            if isinstance(node, sympy.Abs | sympy.sign):
                sign = sign_of(arguments[0], ranges)
                if sign:
                    one = sympy.Integer(sign)
                    result = one if isinstance(node, sympy.sign) else one * arguments[0]  # type: ignore[operator]
            memo[node] = result
        return memo[node]

    return visit(expression)  # type: ignore[return-value]
