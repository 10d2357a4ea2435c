"""A SymPy expression as syntax of the language."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import sympy
from sympy.core.function import AppliedUndef

from pdesl.language import ast
from pdesl.language.names import is_name
from pdesl.symbolic.functions import FUNCTIONS
from pdesl.symbolic.modes import MODES
from pdesl.symbolic.operators import NORMAL, OPERATORS, scaled_gradient, split_arguments
from pdesl.symbolic.tensor_components import component_parts

__all__ = ["expression_to_syntax", "indexed_syntax"]

_GROUP = re.compile(r"([_^])\{([^{},]+),\}")
_INDEXED = re.compile(r"(?P<name>[^_^{}]+(?:_[^_^{}]+)*)(?P<indices>(?:[_^]\{[^{},]+,\})+)")

_BY_CLASS = {f.symbolic: f.name for f in FUNCTIONS.values() if isinstance(f.symbolic, type)}
_BY_CLASS |= {sympy.log: "log", sympy.cot: "cot", sympy.sec: "sec", sympy.csc: "csc",
              sympy.sech: "sech"}  # fmt: skip
_OBSERVABLES = {"integral": "integral", "minimum": "min", "maximum": "max", "average": "mean",
                "norm": "norm"}  # fmt: skip


def _number(value: sympy.Rational) -> ast.Expression:
    """A rational as a decimal where it is a finite one, else as a quotient."""
    if value < 0:
        return ast.Negate(_number(-value))  # type: ignore[arg-type]
    numerator, denominator = int(value.p), int(value.q)
    if denominator == 1:
        text = str(numerator)
        digits = text.rstrip("0")
        if len(text) - len(digits) > 12:
            return ast.Number(f"{digits}e{len(text) - len(digits)}")
        return ast.Number(text)
    powers = {2: 0, 5: 0}
    rest = denominator
    for prime in powers:
        while rest % prime == 0:
            rest //= prime
            powers[prime] += 1
    places = max(powers.values())
    if rest == 1:
        digits = str(numerator * 10**places // denominator)
        if len(digits) <= 20 and places <= 12:
            digits = digits.zfill(places + 1)
            return ast.Number(f"{digits[:-places]}.{digits[-places:]}")
        if len(digits) <= 20:
            return ast.Number(f"{digits}e-{places}")
    return ast.Binary("/", ast.Number(str(numerator)), ast.Number(str(denominator)))


def expression_to_syntax(
    expression: sympy.Basic,
    space: Sequence[str] = (),
    known: Mapping[str, tuple[sympy.Basic, ...]] | None = None,
) -> ast.Expression:
    """The syntax of a SymPy expression.

    Args:
        expression: what to write.
        space: the names of the spatial coordinates, for components of the normal.
        known: the arguments of each declared function; a function at other arguments is written
            with them. None: every function that is no operator is a field at its own coordinates.

    Raises:
        TypeError: a part that the language cannot state.
    """

    def visit(node: sympy.Basic) -> ast.Expression:
        if isinstance(node, sympy.Rational):
            return _number(node)
        if isinstance(node, sympy.Float):
            return _number(sympy.Rational(repr(float(node))))  # type: ignore[arg-type]
        if node is sympy.pi:
            return ast.Name("π")
        if node is sympy.E:
            return ast.Call("exp", (ast.Number("1"),))
        if isinstance(node, sympy.Symbol):
            if node.name.startswith(f"{NORMAL}["):
                position = list(space).index(node.name[2:-1]) + 1
                return ast.Subscript(ast.Name(NORMAL), ast.Number(str(position)))
            return named(node.name)
        if isinstance(node, sympy.Add):
            first, *rest = sorted(node.args, key=_is_negative)
            result = visit(first)
            for term in rest:
                if _is_negative(term):
                    result = ast.Binary("-", result, visit(-term))
                else:
                    result = ast.Binary("+", result, visit(term))
            return result
        if isinstance(node, sympy.Mul):
            return product(node)
        if isinstance(node, sympy.exp):
            return ast.Call("exp", (visit(node.args[0]),))
        if isinstance(node, sympy.Pow):
            if node.exp == sympy.Rational(1, 2):
                return ast.Call("sqrt", (visit(node.base),))
            if node.exp.is_Rational and node.exp.is_negative:
                return ast.Binary("/", ast.Number("1"), visit(node.base**-node.exp))
            return ast.Binary("^", visit(node.base), visit(node.exp))
        if isinstance(node, sympy.Derivative):
            counts: Any = node.variable_count
            if not all(isinstance(v, sympy.Symbol) and n.is_Integer for v, n in counts):
                raise TypeError(f"`{node}` cannot be stated: derivatives are along coordinates")
            variables = tuple((v.name, int(n)) for v, n in counts)
            return ast.Derivative(variables, visit(node.expr))
        if isinstance(node, AppliedUndef):
            return applied(node)
        if isinstance(node, sympy.Heaviside):
            return ast.Call("step", (visit(node.args[0]),))
        name = _BY_CLASS.get(type(node))
        if name is None:
            raise TypeError(f"`{node}` cannot be stated in a .pde file")
        return ast.Call(name, tuple(visit(a) for a in node.args))

    def named(name: str) -> ast.Expression:
        if not is_name(name):
            raise TypeError(f"`{name}` cannot be a name: letters, digits and _, a letter first")
        return ast.Name(name)

    def product(node: sympy.Mul) -> ast.Expression:
        if _is_negative(node):
            return ast.Negate(visit(-node))
        above: list[ast.Expression] = []
        below: list[ast.Expression] = []
        for factor in _in_reading_order(node):
            if isinstance(factor, sympy.Pow) and factor.exp.is_Rational and factor.exp.is_negative:
                below.append(visit(factor.base**-factor.exp))
            elif isinstance(factor, sympy.Rational) and factor.q != 1:
                decimal = _number(factor)
                if factor.q > 100 and isinstance(decimal, ast.Number):
                    above.append(decimal)
                    continue
                if factor.p != 1:
                    above.append(ast.Number(str(factor.p)))
                below.append(ast.Number(str(factor.q)))
            else:
                above.append(visit(factor))
        result = above[0] if above else ast.Number("1")
        for factor in above[1:]:
            result = ast.Binary("*", result, factor)
        if not below:
            return result
        # One denominator: divided by a number first, a sum would be multiplied out when it is read.
        denominator = below[0]
        for factor in below[1:]:
            denominator = ast.Binary("*", denominator, factor)
        return ast.Binary("/", result, denominator)

    def applied(node: AppliedUndef) -> ast.Expression:
        name = node.func.__name__
        if name in _OBSERVABLES or name == "exact":
            return ast.Call(_OBSERVABLES.get(name, name), (visit(node.args[0]),))
        mode = MODES.get(name)
        if mode is not None and len(node.args) == len(mode.degrees) + len(mode.angles):
            return ast.Call(name, tuple(visit(a) for a in node.args))
        parts = component_parts(node)
        if parts is not None:
            own, sides, positions = parts
            names = [str(a) for a in node.args[: -len(sides)]]
            pairs = zip(sides, positions, strict=True)
            return ast.Indexed(own, tuple((side, names[p]) for side, p in pairs))
        indexed = indexed_syntax(name)
        if indexed is not None and indexed.name in ("∇", "∂"):
            ((side, index),) = indexed.indices
            kind = "covariant" if indexed.name == "∇" else "partial"
            inner = visit(node.args[0])
            return ast.IndexDerivative(kind, index, inner, side)
        if indexed is not None:
            if not all(isinstance(a, sympy.Symbol) for a in node.args):
                raise TypeError(f"`{node}` cannot be stated: a tensor stands at its coordinates")
            return indexed
        operator = OPERATORS.get(name)
        if operator is None and (known is None or known.get(name) == node.args):
            return named(name)
        if operator is None:
            named(name)
            return ast.Call(name, tuple(visit(a) for a in node.args))
        operands, numbers = split_arguments(name, node.args, len(space))
        # In Python a vector may stand whole, as in `div(grad(u))`.
        scaled = scaled_gradient(operands[0]) if name == "div" else None
        if scaled is not None and len(operands[0]) == len(space):
            factor, field = scaled
            gradient: ast.Expression = ast.Call("grad", (visit(field),))
            if factor != 1:
                gradient = ast.Binary("*", visit(factor), gradient)
            call: ast.Expression = ast.Call(name, (gradient,))
        else:
            vector = operator.takes[0] == "vector"
            kinds = [vector, *(len(o) > 1 for o in operands[1:])]
            call = ast.Call(
                name, tuple(operand(o, k) for o, k in zip(operands, kinds, strict=True))
            )
        for component in numbers:
            call = ast.Subscript(call, visit(component))
        return call

    def operand(parts: Sequence[Any], vector: bool) -> ast.Expression:
        """A scalar, a vector or a tensor; in Python one value may stand for a whole vector."""
        items = [visit(part) for part in parts]
        if len(items) == 1 and not (vector and len(space) == 1):
            return items[0]
        if len(items) == len(space) ** 2 and len(space) > 1:
            size = len(space)
            rows = [ast.ListLiteral(tuple(items[size * i : size * (i + 1)])) for i in range(size)]
            return ast.ListLiteral(tuple(rows))
        return ast.TupleLiteral(tuple(items))

    return visit(expression)


def indexed_syntax(name: str) -> ast.Indexed | None:
    """`A^{μ,}_{ν,}`, the name of a function that has indices, as syntax; None for other names."""
    match = _INDEXED.fullmatch(name)
    if match is None:
        return None
    groups = _GROUP.findall(match["indices"])
    pairs = tuple(("up" if mark == "^" else "down", index) for mark, index in groups)
    return ast.Indexed(match["name"], pairs)


def _in_reading_order(node: sympy.Mul) -> list[Any]:
    """The factors in an order in which a number does not meet a sum first.

    Read again, it would be multiplied into the sum: 2 (a + b) c would be (2 a + 2 b) c.
    """
    number, *factors = node.as_ordered_factors()
    if not isinstance(number, sympy.Rational) or not factors:
        return [number, *factors]
    factors.sort(key=lambda f: isinstance(f, sympy.Add))
    if len(factors) > 1 and isinstance(factors[0], sympy.Add):
        return [*factors, number]
    return [number, *factors]


def _is_negative(term: sympy.Basic) -> bool:
    coefficient = term.as_coeff_Mul()[0] if isinstance(term, sympy.Mul) else term
    return isinstance(coefficient, sympy.Rational) and bool(coefficient < 0)
