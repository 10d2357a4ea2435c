"""Shorter forms of an expression, without expansion of what was short and without `simplify`.

An operator on a curved chart leaves sums such as (6 y² x + 6 z² x + 6 x³)/r⁵ − 8 x/r³ with
r = √(x² + y² + z²), or 1 − 2M/(2M (1 + W)). Both are rational in a few generators (coordinates,
roots, functions), between which there are relations r² = x² + y² + z², cos² = 1 − sin². `tidy`
reduces them in lowest terms, with one square eliminated by each relation, and keeps the result if
it takes fewer operations: −2 x/r³ and W/(1 + W). The latter is what floating point needs as well,
since a difference that cancels in symbols no longer cancels in digits.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import sympy
from sympy.polys.polyerrors import BasePolynomialError

from pdesl.symbolic.functions import vanishes

__all__ = ["operations", "tidy"]

# Beyond these sizes a polynomial is left as it stands: the work of a greatest common divisor
# grows quickly with the number of generators and monomials.
MAXIMUM_GENERATORS = 9
MAXIMUM_MONOMIALS = 250
MAXIMUM_FACTORED = 40
MAXIMUM_DEGREE = 24

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
                found[place] = _cancelled(own)
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
        rational = _Rational(product, whole_sums=False)
        signs: dict[sympy.Expr, set[bool]] = {}
        for factor in sympy.Mul.make_args(rational.expression):
            base, exponent = factor.as_base_exp()
            if not isinstance(base, sympy.Add) or not isinstance(exponent, sympy.Integer):
                continue
            if _monomials(base) > MAXIMUM_FACTORED:
                continue
            above = sympy.fraction(sympy.together(base))[0]
            for part, _ in sympy.factor_list(above)[1]:
                if isinstance(part, sympy.Add):
                    signs.setdefault(part, set()).add(bool(exponent > 0))
    except (BasePolynomialError, NotImplementedError):
        return False
    return any(len(own) == 2 for own in signs.values())


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
    rational = _Rational(expression, whole_sums)
    if whole_sums and not rational.sums:
        return
    if len(rational.expression.free_symbols) > MAXIMUM_GENERATORS:
        return
    if _monomials(rational.expression) > 8 * MAXIMUM_MONOMIALS:
        return
    try:
        yield from rational.forms()
    except (BasePolynomialError, NotImplementedError):  # no polynomial after all
        return


def _monomials(node: Any) -> int:
    """An upper bound of the terms that multiplying out could leave."""
    if isinstance(node, sympy.Add):
        return sum(map(_monomials, node.args))
    if isinstance(node, sympy.Mul):
        count = 1
        for factor in node.args:
            count = min(count * _monomials(factor), 1 << 20)
        return count
    if isinstance(node, sympy.Pow) and isinstance(node.exp, sympy.Integer):
        terms, power = _monomials(node.base), abs(int(node.exp))
        return int(min(sympy.binomial(terms + power - 1, power), 1 << 20)) if terms > 1 else 1
    return 1


class _Rational:
    """An expression as a rational function of generators, with the relations between these."""

    def __init__(self, expression: sympy.Expr, whole_sums: bool):
        self.sums = _inner_sums(expression) if whole_sums else set()
        self.roots = _roots(expression)
        self.meaning: dict[sympy.Basic, sympy.Basic] = {}
        self.generators: dict[sympy.Basic, sympy.Dummy] = {}
        # (dummy, what its square is in the other generators)
        self.squares: list[tuple[sympy.Dummy, sympy.Expr]] = []
        self.shifts = _shifts(expression)
        self.expression: Any = self._plain(expression)
        self._pythagoras()

    def _generator(self, node: sympy.Basic) -> sympy.Dummy:
        if node not in self.generators:
            dummy = sympy.Dummy(real=True)
            self.generators[node] = dummy
            self.meaning[dummy] = node
        return self.generators[node]

    def _plain(self, node: Any) -> Any:
        if isinstance(node, sympy.Symbol):
            if node in self.roots:
                return (
                    self._generator(node ** sympy.Rational(1, self.roots[node]))
                    ** (self.roots[node])
                )
            shift = self.shifts.get(node)
            # x + c as a generator, so that it is not taken apart
            return node if shift is None else self._generator(node + shift) - shift
        if node.is_Rational:
            return node
        if node in self.sums:
            return self._generator(node)
        if isinstance(node, sympy.Add | sympy.Mul):
            return node.func(*map(self._plain, node.args))
        if isinstance(node, sympy.Pow):
            exponent = node.exp
            if isinstance(exponent, sympy.Integer):
                return self._plain(node.base) ** exponent
            if node.base in self.roots and isinstance(exponent, sympy.Rational):
                degree = self.roots[node.base]
                own = self._generator(node.base ** sympy.Rational(1, degree))
                return own ** (exponent * degree)
            if isinstance(exponent, sympy.Rational) and exponent.q == 2:
                root = sympy.sqrt(node.base)
                if isinstance(root, sympy.Pow) and root not in self.generators:
                    square = self._plain(node.base)
                    self.squares.append((self._generator(root), square))
                if isinstance(root, sympy.Pow):
                    return self._generator(root) ** exponent.p
        return self._generator(node)

    def _pythagoras(self) -> None:
        for node, dummy in list(self.generators.items()):
            if isinstance(node, sympy.cos):
                other = self.generators.get(sympy.sin(node.args[0]))
                if other is not None:
                    self.squares.append((dummy, 1 - other**2))

    def back(self, expression: Any) -> sympy.Expr:
        """An expression in generators as one in what they stand for."""
        while found := expression.free_symbols & self.meaning.keys():
            expression = expression.xreplace({d: self.meaning[d] for d in found})
        return expression

    def forms(self) -> Iterator[sympy.Expr]:
        """Quotients in lowest terms, for each choice of the squares that are eliminated."""
        whole = sympy.together(self.expression)
        above, below = sympy.fraction(whole)
        if max(_monomials(above), _monomials(below)) > 64 * MAXIMUM_MONOMIALS:
            return
        for choice in self._choices(above.free_symbols | below.free_symbols):
            parts = []
            for part in (above, below):
                symbols = sorted(part.free_symbols, key=str)
                polynomial = sympy.Poly(part, *symbols) if symbols else None
                if polynomial is not None:
                    if len(polynomial.monoms()) > MAXIMUM_MONOMIALS:
                        return
                    for symbol, square in choice:
                        polynomial = _reduced(polynomial, symbol, square)
                parts.append(part if polynomial is None else polynomial.as_expr())
            if parts[1] == 0:
                continue
            quotient = sympy.cancel(parts[0] / parts[1])
            yield self.back(quotient)
            factored = _factored(quotient)
            if factored is not None:
                yield self.back(factored)

    def _choices(self, held: Any) -> Iterator[list[tuple[Any, Any]]]:
        """Which generators' squares are replaced: none, or one for each relation."""
        options: list[list[tuple[Any, Any]]] = [[]]
        for dummy, square in self.squares:
            if dummy not in held:
                continue
            own: list[tuple[Any, Any]] = [(dummy, square)]
            symbols: list[Any] = sorted(square.free_symbols, key=str)
            for symbol in symbols:
                polynomial = sympy.Poly(square, symbol)
                lead = polynomial.coeff_monomial(symbol**2)
                pure = polynomial.degree() == 2 and polynomial.coeff_monomial(symbol) == 0
                if pure and lead.is_Rational:
                    rest = polynomial.coeff_monomial(1)
                    own.append((symbol, sympy.expand((dummy**2 - rest) / lead)))
            # One choice of a coordinate is as good as another for what cancels.
            options += [[*option, one] for option in options[:3] for one in own[:2]]
        yield from options[:9]


def _reduced(polynomial: Any, symbol: sympy.Symbol, square: sympy.Expr) -> Any:
    """A polynomial of degree one at the most in a generator whose square is known."""
    if symbol not in polynomial.gens:
        return polynomial
    own = sympy.Poly(polynomial.as_expr(), symbol)
    if own.degree() < 2 or own.degree() > MAXIMUM_DEGREE:
        return polynomial
    terms = []
    for (power,), coefficient in own.terms():
        terms.append(coefficient * symbol ** (power % 2) * square ** (power // 2))
    whole = sympy.Add(*terms)
    return sympy.Poly(sympy.expand(whole), *sorted(whole.free_symbols, key=str) or [symbol])


def _factored(quotient: Any) -> sympy.Expr | None:
    pieces = []
    for part in sympy.fraction(quotient):
        symbols = part.free_symbols
        if not symbols:
            pieces.append(part)
            continue
        polynomial = sympy.Poly(part, *sorted(symbols, key=str))
        if len(polynomial.monoms()) > MAXIMUM_FACTORED or polynomial.total_degree() > (
            MAXIMUM_DEGREE
        ):
            return None
        pieces.append(sympy.factor(part))
    return pieces[0] / pieces[1]


def _inner_sums(expression: sympy.Expr) -> set[sympy.Basic]:
    """Sums inside the expression that hold no sum themselves, those inside functions aside."""
    holds: dict[sympy.Basic, bool] = {}
    found: set[sympy.Basic] = set()

    def visit(node: sympy.Basic) -> bool:
        if not isinstance(node, sympy.Add | sympy.Mul | sympy.Pow):
            return False
        if node not in holds:
            inner = sum(map(visit, node.args)) > 0  # every argument is visited
            if isinstance(node, sympy.Add) and not inner and node is not expression:
                found.add(node)
            holds[node] = inner or isinstance(node, sympy.Add)
        return holds[node]

    visit(expression)
    return found


def _roots(expression: sympy.Expr) -> dict[sympy.Basic, int]:
    """Symbols that stand in fractional powers, with the common denominator of these."""
    found: dict[sympy.Basic, int] = {}
    for power in expression.atoms(sympy.Pow):
        exponent = power.exp
        if not (isinstance(power.base, sympy.Symbol) and isinstance(exponent, sympy.Rational)):
            continue
        if exponent.q > 1:
            found[power.base] = int(sympy.ilcm(found.get(power.base, 1), exponent.q))
    return found


def _shifts(expression: sympy.Expr) -> dict[sympy.Symbol, sympy.Expr]:
    """For symbols that stand in sums x + c with numbers c, the c that occurs most."""
    found: dict[sympy.Symbol, Counter[Any]] = {}
    waiting: list[Any] = [expression]
    while waiting:
        node = waiting.pop()
        if isinstance(node, sympy.Symbol):
            found.setdefault(node, Counter())[0] += 1
        if isinstance(node, sympy.Add) and len(node.args) == 2 and node.args[0].is_Rational:
            factor, symbol = node.args[1].as_coeff_Mul()
            if isinstance(symbol, sympy.Symbol):
                found.setdefault(symbol, Counter())[node.args[0] / factor] += 1
                continue
        waiting.extend(node.args)
    common = {symbol: counts.most_common(1)[0] for symbol, counts in found.items()}
    return {
        symbol: shift
        for symbol, (shift, count) in common.items()
        if shift != 0 and count > found[symbol][0]
    }
