"""Named metrics at points where every root and every angle is rational: exact arithmetic."""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import sympy

from pdesl.symbolic.metric import METRICS, Metric

F = Fraction
t, x, y, z = sympy.symbols("t x y z", real=True)
COORDINATES = (t, x, y, z)
MASS, SPIN, CHARGE = sympy.symbols("M a Q", real=True)

Values = Mapping[sympy.Basic, Fraction]
Table = list[list[Fraction]]


def evaluate(expression: Any, values: Values, memo: dict[Any, Fraction] | None = None) -> Fraction:
    """An expression in exact arithmetic; a root that is not rational is an error."""
    return _value(expression, values, {} if memo is None else memo)


def _value(node: Any, values: Values, memo: dict[Any, Fraction]) -> Fraction:
    if node in memo:
        return memo[node]
    if node in values:
        result = values[node]
    elif isinstance(node, sympy.Rational):
        result = F(int(node.p), int(node.q))
    elif isinstance(node, sympy.Add):
        result = sum((_value(a, values, memo) for a in node.args), F(0))
    elif isinstance(node, sympy.Mul):
        result = radicand = F(1)  # √2 √M is rational where √(2 M) is
        for a in node.args:
            if isinstance(a, sympy.Pow) and isinstance(a.exp, sympy.Rational) and a.exp.q == 2:
                radicand *= _value(a.base, values, memo) ** int(a.exp.p)
            else:
                result *= _value(a, values, memo)
        result *= _root(radicand)
    elif isinstance(node, sympy.Abs):
        result = abs(_value(node.args[0], values, memo))
    else:
        assert isinstance(node, sympy.Pow), node
        base, exponent = _value(node.base, values, memo), node.exp
        assert isinstance(exponent, sympy.Rational), node
        result = (_root(base) if exponent.q == 2 else base) ** int(exponent.p)
    memo[node] = result
    return result


def _root(number: Fraction) -> Fraction:
    root = F(math.isqrt(number.numerator), math.isqrt(number.denominator))
    assert root * root == number, number
    return root


def table(matrix: Any, values: Values) -> Table:
    memo: dict[Any, Fraction] = {}
    return [[evaluate(e, values, memo) for e in matrix.row(i)] for i in range(matrix.rows)]


def product(a: Table, b: Table) -> Table:
    return [[sum((p * q for p, q in zip(row, column, strict=True)), F(0))
             for column in zip(*b, strict=True)] for row in a]  # fmt: skip


def transposed(a: Table) -> Table:
    return [list(row) for row in zip(*a, strict=True)]


def determinant(a: Table) -> Fraction:
    if len(a) == 1:
        return a[0][0]
    return sum(
        ((-1) ** j * a[0][j] * determinant([row[:j] + row[j + 1 :] for row in a[1:]])
         for j in range(len(a)) if a[0][j]),
        F(0),
    )  # fmt: skip


# Where x² + y² + z² is a square, and with r = 3, a = 4 every root of Kerr-Schild's r as well.
CARTESIAN: Values = {t: F(2, 3), x: F(2), y: F(-1), z: F(2), MASS: F(1, 3), CHARGE: F(1)}
SPHEROIDAL: Values = {t: F(2, 3), x: F(9, 5), y: F(12, 5), z: F(12, 5), MASS: F(2, 7), SPIN: F(4)}
ROUND: Values = {
    t: F(2, 3), x: F(3), MASS: F(1, 3), CHARGE: F(1), SPIN: F(4),
    sympy.sin(y): F(3, 5), sympy.cos(y): F(4, 5),
    sympy.sin(x): F(5, 13), sympy.cos(x): F(12, 13),
}  # fmt: skip
# √(1 − f) is rational for an uncharged hole of mass 3/8 at r = 3.
_FALLING = {MASS: F(3, 8)}
OPTIONS: dict[str, Any] = {
    "mass": MASS, "spin": SPIN, "charge": CHARGE, "center": (sympy.S.Zero,) * 3,
    "scale": 1 + t**2, "curvature": sympy.Rational(1, 12), "time": "conformal",
    "radius": sympy.Rational(7, 3), "major": sympy.Integer(3), "minor": sympy.Rational(3, 2),
}  # fmt: skip
CHARTS = [(name, chart) for name, entry in METRICS.items() for chart in entry.charts]


def build(name: str, chart: str, **options: Any) -> tuple[Metric, tuple[sympy.Symbol, ...]]:
    """The metric over t and as many of x, y, z as the chart takes, and these coordinates."""
    entry = METRICS[name]
    own = entry.charts[chart]
    space = (x, y, z)[: min(max(own.count[0], 3), own.count[1])]
    given = {o: options.get(o, OPTIONS[o]) for o in entry.options}
    metric = own.build(t, space, **given)
    return metric if entry.time else metric.with_time(), (t, *space)


def point(name: str, chart: str) -> Values:
    """A point of a chart with rational roots and angles."""
    if chart == "kerr_schild" and name == "kerr":
        return SPHEROIDAL
    values = ROUND if METRICS[name].charts[chart].roles else CARTESIAN
    falling = name == "schwarzschild" and "painleve" in chart
    return {**values, **_FALLING} if falling else values
