"""Shorter forms of an expression, without expansion of what was short and without `simplify`.

An operator on a curved chart leaves sums such as (6 y² x + 6 z² x + 6 x³)/r⁵ − 8 x/r³ with
r = √(x² + y² + z²), or 1 − 2M/(2M (1 + W)). Both are rational in a few generators (coordinates,
roots, functions), between which there are relations r² = x² + y² + z², cos² = 1 − sin². `tidy`
brings them to lowest terms (see `rational`) and keeps the result if it takes fewer operations:
−2 x/r³ and W/(1 + W). The latter is what floating point needs as well, since a difference that
cancels in symbols no longer cancels in digits.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import sympy
from sympy.polys.polyerrors import BasePolynomialError

from pdesl.symbolic.functions import vanishes
from pdesl.symbolic.rational import MAXIMUM_FACTORED, Rational, monomials

__all__ = ["operations", "tidy"]

# What operations cost in units of an addition, on arrays.
_DIVISION, _ROOT, _CALL = 4, 6, 15


def operations(expression: sympy.Basic) -> int:
    """Arithmetic operations, equal parts counted once; divisions, roots, functions weigh more."""
    seen: set[sympy.Basic] = set()
    waiting = [expression]
    count = 0
    while waiting:
        node = waiting.pop()
        if node in seen or node.is_Atom:
            continue
        seen.add(node)
        if isinstance(node, sympy.Add):
            # A sum may cancel digits: of two forms of one length the one of fewer sums is better.
            count += len(node.args)
        elif isinstance(node, sympy.Mul):
            count += len(node.args) - (2 if node.args[0] == -1 else 1)
        elif isinstance(node, sympy.Pow):
            exponent = node.exp
            if isinstance(exponent, sympy.Integer):
                count += abs(int(exponent)).bit_length() - 1
                count += _DIVISION if exponent.is_negative else 0
                waiting.append(node.base)
                continue
            if isinstance(exponent, sympy.Rational) and exponent.q == 2:
                root = ("root", node.base)
                if root not in seen:
                    seen.add(root)  # type: ignore[arg-type]
                    count += _ROOT
                count += abs(int(exponent.p)).bit_length() - 1
                count += _DIVISION if exponent.is_negative else 0
                waiting.append(node.base)
                continue
            count += _CALL
        else:
            count += _CALL
        waiting.extend(node.args)
    return count


def tidy(*expressions: sympy.Expr) -> tuple[sympy.Expr, ...]:
    """Equal expressions that together take fewer operations, equal parts counted once.

    Factors of products are worked on apart, since a factor may be common to several expressions
    (the lapse of a metric), and multiplied into one fraction only where that saves operations of
    all. The work is bounded; what is too large, or holds floating-point numbers, is returned as
    it is. That results are equal is checked at random points.
    """
    found = [_by_factors(e) for e in expressions]
    for place, own in enumerate(found):
        if isinstance(own, sympy.Mul) and any(f.as_base_exp()[0].is_Add for f in own.args):
            whole = _tidied(own)
            tried = [*found[:place], whole, *found[place + 1 :]]
            if whole != own and (operations(sympy.Tuple(*tried)) < operations(sympy.Tuple(*found))):
                found, own = tried, whole
            if isinstance(own, sympy.Mul) and _cancels(own):
                done = whole != own and not (isinstance(whole, sympy.Mul) and _cancels(whole))
                found[place] = whole if done else _cancelled(own)
    return tuple(found)


def _cancelled(product: sympy.Mul) -> sympy.Expr:
    """The shortest form without factors that cancel; the product itself where none is found."""
    forms = [
        form for form in _candidates(product, whole_sums=False)
        if not (isinstance(form, sympy.Mul) and _cancels(form)) and vanishes(product - form)
    ]  # fmt: skip
    return min(forms, key=operations, default=product)


def _cancels(product: sympy.Mul) -> bool:
    """Whether factors that look different cancel, as in (M/(2 r) − 1)²/(M − 2 r).

    Left alone they would give 0/0 where they vanish, and lose digits near it.
    """
    try:
        rational = Rational(product)
        above: list[sympy.Expr] = []
        below: list[sympy.Expr] = []
        for factor in sympy.Mul.make_args(rational.expression):
            base, exponent = factor.as_base_exp()
            if not isinstance(base, sympy.Add) or not isinstance(exponent, sympy.Integer):
                continue
            if monomials(base) > MAXIMUM_FACTORED:
                continue
            (above if exponent > 0 else below).append(sympy.fraction(sympy.together(base))[0])
        # Common divisors, and not factors: to factorise in many variables may take for ever.
        return any(
            isinstance(sympy.gcd(a, b), sympy.Add)
            for a in above
            for b in below
            if a.free_symbols & b.free_symbols
        )
    except (BasePolynomialError, NotImplementedError):
        return False  # SymPy has no such polynomials, so it can cancel none either


@lru_cache(maxsize=1024)
def _by_factors(expression: sympy.Expr) -> sympy.Expr:
    if expression.is_Atom or expression.has(sympy.Float, sympy.zoo, sympy.nan):
        return expression
    if isinstance(expression, sympy.Mul):
        # A sum and its negative are one factor, a + b or −(a + b).
        return sympy.Mul(*(_positive(_by_factors(f)) for f in expression.args))
    if isinstance(expression, sympy.Pow) and isinstance(expression.exp, sympy.Integer):
        return sympy.Pow(_by_factors(expression.base), expression.exp)
    return _tidied(expression) if isinstance(expression, sympy.Add) else expression


def _positive(factor: sympy.Expr) -> sympy.Expr:
    base, exponent = factor.as_base_exp()
    if not (isinstance(base, sympy.Add) and isinstance(exponent, sympy.Integer)):
        return factor
    if not base.could_extract_minus_sign():
        return factor
    return sympy.Mul((-1) ** exponent, (-base) ** exponent, evaluate=False)


@lru_cache(maxsize=1024)
def _tidied(expression: sympy.Expr) -> sympy.Expr:
    """The shortest of some forms: first with sums of products as units, which may stand in high
    powers, then with these taken apart."""
    best, least = expression, operations(expression)
    for whole_sums in (True, False):
        for candidate in _candidates(best, whole_sums):
            cost = operations(candidate)
            if cost < least and vanishes(expression - candidate):
                best, least = candidate, cost
    return best


def _candidates(expression: sympy.Expr, whole_sums: bool) -> Iterator[sympy.Expr]:
    rational = Rational(expression, whole_sums)
    if whole_sums and not rational.sums:
        return
    try:
        yield from rational.forms()
    except (BasePolynomialError, NotImplementedError):  # no polynomial after all
        return
