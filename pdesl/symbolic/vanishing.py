"""Which formulas vanish, and what short ones cancel down to.

A formula is a rational function of its symbols and of what is no rational function: sines and
cosines with cos² = 1 − sin², roots with wⁿ = base, and any other function as a symbol of its own.

`is_zero` puts random elements of a finite field in the place of symbols, on the circle for a sine
and a cosine, and draws again where a root is missing. It costs one pass over the formula and
rounds nothing (J. T. Schwartz, Fast probabilistic algorithms for verification of polynomial
identities, Journal of the ACM 27, 1980). `reduced` cancels what is short.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from math import gcd
from typing import Any

import sympy
from sympy.polys.fields import field
from sympy.polys.orderings import lex

__all__ = ["is_zero", "reduced", "tidied"]

# Distinct parts of a formula beyond which it is left as it is, and terms of its numerator
# and denominator while it is worked out.
MAXIMUM_PARTS = 120
MAXIMUM_TERMS = 30
# A prime with p = 3 mod 4, whose square roots are powers: 2⁶¹ − 1.
PRIME = 2**61 - 1
TRIALS = 6
DRAWS = 400


class _NoRoot(Exception):
    """A number without the root that a formula takes, or a division by zero."""


def is_zero(expression: sympy.Expr) -> bool:
    """Whether a formula vanishes identically, by rational algebra and cos² + sin² = 1.

    A formula that vanishes for another reason counts as one that does not. The chance that
    another formula passes is below 1e-6.
    """
    if expression.is_Number:
        return bool(expression == 0)
    generator = random.Random(0)
    passed = draws = 0
    while passed < TRIALS:
        draws += 1
        if draws > DRAWS:
            return False
        try:
            if _modular(expression, generator):
                return False
        except _NoRoot:
            continue
        passed += 1
    return True


def tidied(expression: sympy.Expr) -> sympy.Expr:
    """Zero for a formula that vanishes, a shorter form of a short one, else the formula."""
    if expression.is_Number:
        return expression
    if is_zero(expression):
        return sympy.S.Zero
    short = reduced(expression)
    return short if short.count_ops() < expression.count_ops() else expression


def _modular(expression: sympy.Expr, generator: random.Random) -> int:
    """The value of a formula at a random place of the field. Raises `_NoRoot`."""
    known: dict[sympy.Basic, int] = {}
    turns: dict[Any, tuple[int, int]] = {}  # cosine and sine by angle
    stack: list[sympy.Basic] = [expression]
    while stack:
        node = stack[-1]
        if node in known:
            stack.pop()
            continue
        inner: tuple[Any, ...] = ()
        if isinstance(node, sympy.Pow) and node.exp.is_Rational:
            inner = (node.base,)
        elif isinstance(node, sympy.Add | sympy.Mul):
            inner = node.args
        missing = [a for a in inner if a not in known]
        if missing:
            stack.extend(missing)
            continue
        known[node] = _modular_node(node, known, turns, generator)
        stack.pop()
    return known[expression]


def _modular_node(
    node: Any,
    known: Mapping[sympy.Basic, int],
    turns: dict[Any, tuple[int, int]],
    generator: random.Random,
) -> int:
    if isinstance(node, sympy.Rational):
        return int(node.p) * pow(int(node.q), -1, PRIME) % PRIME
    if isinstance(node, sympy.Add):
        return sum(known[a] for a in node.args) % PRIME
    if isinstance(node, sympy.Mul):
        result = 1
        for argument in node.args:
            result = result * known[argument] % PRIME
        return result
    if isinstance(node, sympy.Pow) and node.exp.is_Rational:
        exponent: Any = node.exp
        above, below = int(exponent.p), int(exponent.q)
        root = _root(known[node.base], below)
        if root == 0 and above < 0:
            raise _NoRoot
        return pow(root, above, PRIME)
    if isinstance(node, sympy.sin | sympy.cos | sympy.tan | sympy.cot):
        angle = node.args[0]
        if angle not in turns:  # ((1 − s²)/(1 + s²), 2 s/(1 + s²)) lies on the circle
            s = generator.randrange(2, PRIME)
            below = pow(1 + s * s, -1, PRIME)
            turns[angle] = (1 - s * s) * below % PRIME, 2 * s * below % PRIME
        cosine, sine = turns[angle]
        if isinstance(node, sympy.sin | sympy.cos):
            return sine if isinstance(node, sympy.sin) else cosine
        above, below = (sine, cosine) if isinstance(node, sympy.tan) else (cosine, sine)
        return above * pow(below, -1, PRIME) % PRIME
    return generator.randrange(2, PRIME)


def _root(base: int, degree: int) -> int:
    """The root that is itself a square, as positive roots of real numbers are. Raises `_NoRoot`.

    So √(a b) = √a √b, and √√a is the fourth root of a.
    """
    while degree % 2 == 0:
        root = pow(base, (PRIME + 1) // 4, PRIME)
        if root * root % PRIME != base:
            raise _NoRoot
        base = root
        degree //= 2
    if degree > 1:
        if gcd(degree, PRIME - 1) != 1:
            raise _NoRoot
        base = pow(base, pow(degree, -1, PRIME - 1), PRIME)
    return base


class _TooLong(Exception):
    """The formula grows beyond what it is worth."""


def reduced(expression: sympy.Expr) -> sympy.Expr:
    """The same function, cancelled; the expression itself where that would be long work."""
    nodes = _nodes(expression)
    if nodes is None or expression.is_Atom:
        return expression
    generators: dict[sympy.Basic, sympy.Dummy] = {}
    for node in nodes:
        base = _generator(node)
        if base is not None:
            generators.setdefault(base, sympy.Dummy(f"g{len(generators)}"))
    # In lexicographic order the cosines come first, so that their squares are what goes.
    order = sorted(generators, key=_weight, reverse=True)
    names = [generators[g] for g in order]
    if not names:
        return expression
    space: Any = field(names, sympy.QQ, lex)[0]
    known: dict[sympy.Basic, Any] = {g: space.gens[i] for i, g in enumerate(order)}
    try:
        for node in nodes:
            if node not in known:
                known[node] = _evaluated(node, known, space)
                if len(known[node].numer) + len(known[node].denom) > MAXIMUM_TERMS:
                    raise _TooLong
        value = _related(known[expression], order, known, space)
    except (_TooLong, ZeroDivisionError):
        return expression
    back = {name: g for g, name in generators.items()}
    plain: Any = value.as_expr()
    return plain.xreplace(back)


def _nodes(expression: sympy.Expr) -> list[sympy.Basic] | None:
    """The distinct rational parts, those inside others first; None where there are too many."""
    found: dict[sympy.Basic, None] = {}
    stack: list[tuple[sympy.Basic, bool]] = [(expression, False)]
    while stack:
        node, ready = stack.pop()
        if node in found:
            continue
        if ready or not _is_rational(node):
            found[node] = None
            if len(found) > MAXIMUM_PARTS:
                return None
            continue
        stack.append((node, True))
        stack.extend((a, False) for a in node.args if a not in found)
    return list(found)


def _is_rational(node: sympy.Basic) -> bool:
    """Whether a node is a sum, a product or a whole power of others."""
    if isinstance(node, sympy.Pow):
        return bool(node.exp.is_Integer)
    return isinstance(node, sympy.Add | sympy.Mul)


def _generator(node: sympy.Basic) -> sympy.Basic | None:
    """What a part of a formula is a power of, if it is no rational function."""
    if _is_rational(node) or isinstance(node, sympy.Rational | sympy.Integer):
        return None
    if isinstance(node, sympy.Pow) and node.exp.is_Rational and not node.exp.is_Integer:
        return sympy.Pow(node.base, sympy.Rational(1, int(node.exp.q)))  # type: ignore[attr-defined]
    return node


def _weight(generator: sympy.Basic) -> tuple[int, str]:
    kind = 2 if isinstance(generator, sympy.cos) else int(isinstance(generator, sympy.Pow))
    return kind, str(generator)


def _evaluated(node: sympy.Basic, known: dict[sympy.Basic, Any], space: Any) -> Any:
    if isinstance(node, sympy.Rational):
        return space(sympy.QQ(int(node.p), int(node.q)))
    if isinstance(node, sympy.Add):
        total = space.zero
        for argument in node.args:
            total = total + known[argument]
            if len(total.numer) + len(total.denom) > MAXIMUM_TERMS:
                raise _TooLong
        return total
    if isinstance(node, sympy.Mul):
        result = space.one
        for argument in node.args:
            result = result * known[argument]
            if len(result.numer) + len(result.denom) > MAXIMUM_TERMS:
                raise _TooLong
        return result
    assert isinstance(node, sympy.Pow)
    base = node.base
    if node.exp.is_Integer:
        power = int(node.exp)  # type: ignore[arg-type]
        if abs(power) > 12:
            raise _TooLong
        return known[base] ** power
    root = _generator(node)
    assert root is not None
    return known[root] ** int(node.exp.p)  # type: ignore[attr-defined]


def _related(
    value: Any, order: list[sympy.Basic], known: dict[sympy.Basic, Any], space: Any
) -> Any:
    """The numerator and denominator without squares of cosines and powers of roots."""
    relations = []
    for generator in order:
        one = known[generator]
        if isinstance(generator, sympy.cos):
            sine = known.get(sympy.sin(generator.args[0]))
            if sine is not None:
                relations.append((one**2 + sine**2 - 1).numer)
        elif isinstance(generator, sympy.Pow) and generator.base in known:
            base = known[generator.base]
            degree = int(1 / generator.exp)  # type: ignore[operator]
            if base.denom == space.ring.one:
                relations.append((one**degree - base).numer)
    if not relations:
        return value
    numerator, denominator = value.numer.rem(relations), value.denom.rem(relations)
    if denominator == 0:
        raise ZeroDivisionError
    return space.new(*numerator.cancel(denominator))
