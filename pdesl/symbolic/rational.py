"""Expressions as rational functions of generators, in lowest terms modulo known relations.

Generators are symbols, roots, functions of anything, and (on request) sums that stand inside. A
root is related to what it is the root of, R² = P, and cos² to 1 − sin². A relation is used up by
eliminating one generator: one that it holds linearly, or the square of one. So the two roots of
the Kerr-Schild radius, r² = (P + S)/2 with S² = P² + 4a²z², leave r and one coordinate.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import sympy

__all__ = ["Rational", "monomials"]

# Beyond these sizes an expression is left as it stands: the work of a greatest common divisor
# grows quickly with the number of generators and monomials.
MAXIMUM_GENERATORS = 9
MAXIMUM_MONOMIALS = 250
MAXIMUM_FACTORED = 40
MAXIMUM_DEGREE = 24
MAXIMUM_VARIABLES = 3

# A generator, a power of it, and what that power is.
Elimination = tuple[Any, int, Any]


def monomials(node: Any) -> int:
    """An upper bound of the terms that multiplying out could leave."""
    if isinstance(node, sympy.Add):
        return min(sum(map(monomials, node.args)), 1 << 20)
    if isinstance(node, sympy.Mul):
        count = 1
        for factor in node.args:
            count = min(count * monomials(factor), 1 << 20)
        return count
    if isinstance(node, sympy.Pow) and isinstance(node.exp, sympy.Integer):
        terms, power = monomials(node.base), abs(int(node.exp))
        if terms == 1:
            return 1
        return int(min(sympy.binomial(min(terms, 1 << 10) + power - 1, power), 1 << 20))
    return 1


class Rational:
    """An expression in generators; `forms` gives it in lowest terms, in several ways."""

    def __init__(self, expression: sympy.Expr, whole_sums: bool = False):
        self.sums = _inner_sums(expression) if whole_sums else set()
        self._roots = _roots(expression)
        self._shifts = _shifts(expression)
        self._meaning: dict[sympy.Basic, sympy.Basic] = {}
        self._generators: dict[sympy.Basic, sympy.Dummy] = {}
        # What vanishes, and the generator of highest rank in it: a root or a cosine.
        self._relations: list[tuple[sympy.Dummy, Any]] = []
        self.expression: Any = self._plain(expression)
        for node, dummy in list(self._generators.items()):
            other = self._generators.get(sympy.sin(*node.args)) if node.func == sympy.cos else None
            if other is not None:
                self._relations.append((dummy, dummy**2 + other**2 - 1))

    # -- generators ------------------------------------------------------------------------

    def _generator(self, node: sympy.Basic) -> sympy.Dummy:
        if node not in self._generators:
            dummy = sympy.Dummy(real=True)
            self._generators[node] = dummy
            self._meaning[dummy] = node
        return self._generators[node]

    def _plain(self, node: Any) -> Any:
        if isinstance(node, sympy.Symbol):
            degree = self._roots.get(node)
            if degree is not None:
                return self._generator(node ** sympy.Rational(1, degree)) ** degree
            shift = self._shifts.get(node)
            # x + c as a generator, so that it is not taken apart
            return node if shift is None else self._generator(node + shift) - shift
        if node.is_Rational:
            return node
        if node in self.sums:
            if node.could_extract_minus_sign():
                return -self._generator(-node)
            return self._generator(node)
        if isinstance(node, sympy.Add | sympy.Mul):
            return node.func(*map(self._plain, node.args))
        if isinstance(node, sympy.Pow) and isinstance(node.exp, sympy.Rational):
            if node.exp.q == 1:
                return self._plain(node.base) ** node.exp
            degree = self._roots.get(node.base)
            if degree is not None:
                own = self._generator(node.base ** sympy.Rational(1, degree))
                return own ** (node.exp * degree)
            root: Any = sympy.Pow(node.base, sympy.Rational(1, node.exp.q))
            if isinstance(root, sympy.Pow) and root.exp == sympy.Rational(1, node.exp.q):
                if root not in self._generators:
                    inside = self._plain(node.base)
                    own = self._generator(root)
                    self._relations.append((own, own**node.exp.q - inside))
                return self._generator(root) ** node.exp.p
        return self._generator(node)

    def back(self, expression: Any) -> sympy.Expr:
        """An expression in generators as one in what they stand for."""
        while found := expression.free_symbols & self._meaning.keys():
            expression = expression.xreplace({d: self._meaning[d] for d in found})
        return expression

    def generators_of(self, predicate: Callable[[sympy.Basic], Any]) -> list[sympy.Symbol]:
        """Generators, and symbols that are their own, for whose meaning a predicate holds."""
        symbols: list[Any] = sorted(self.expression.free_symbols, key=str)
        meaning: dict[Any, Any] = self._meaning
        return [s for s in symbols if predicate(meaning.get(s, s))]

    def lowest_numerator(self) -> Any:
        """A polynomial in the generators that vanishes with the expression, multiplied out.

        Raises:
            BasePolynomialError: it is no rational function.
        """
        above, below = sympy.fraction(sympy.together(self.expression))
        for elimination in self._eliminations(self.expression.free_symbols):
            above, below = _eliminated(above, below, *elimination)
        return sympy.expand(sympy.fraction(sympy.cancel(above / below))[0])

    # -- lowest terms ----------------------------------------------------------------------

    def forms(self) -> Iterator[sympy.Expr]:
        """The expression in lowest terms, with and without the relations, also in factors.

        Raises:
            BasePolynomialError: it is no rational function after all.
        """
        if len(self.expression.free_symbols) > MAXIMUM_GENERATORS:
            return
        whole = self.expression
        eliminations = self._eliminations(whole.free_symbols)
        # What the relations leave is seldom longer, so that large expressions are tried once.
        if monomials(whole) <= (MAXIMUM_FACTORED if eliminations else 8 * MAXIMUM_MONOMIALS):
            yield from self._quotients(*sympy.fraction(sympy.together(whole)))
        if eliminations and monomials(whole) > MAXIMUM_FACTORED:
            whole = _collected(whole, eliminations)
        if eliminations and monomials(whole) <= 8 * MAXIMUM_MONOMIALS:
            above, below = sympy.fraction(sympy.together(whole))
            for generator, power, value in eliminations:
                above, below = _eliminated(above, below, generator, power, value)
                if below == 0 or max(monomials(above), monomials(below)) > 64 * MAXIMUM_MONOMIALS:
                    return
            yield from self._quotients(above, below)

    def _quotients(self, above: Any, below: Any) -> Iterator[sympy.Expr]:
        if max(monomials(above), monomials(below)) > 64 * MAXIMUM_MONOMIALS:
            return
        above, below = sympy.expand(above), sympy.expand(below)
        count = max(len(sympy.Add.make_args(e)) for e in (above, below))
        if below == 0 or count > MAXIMUM_MONOMIALS:
            return
        quotient = sympy.cancel(above / below)
        yield self.back(quotient)
        factored = _factored(quotient)
        if factored is not None:
            yield self.back(factored)

    def _eliminations(self, held: set[Any]) -> list[Elimination]:
        """One generator, or its square, for each relation that matters."""
        found: list[Elimination] = []
        needed = set(held)
        relations: list[tuple[sympy.Dummy, Any]] = []
        for own, relation in reversed(self._relations):  # outer roots come behind inner ones
            if own in needed:
                relations.insert(0, (own, relation))
                needed |= relation.free_symbols
        # Relations with a generator that they hold linearly go first: these are inner roots.
        while relations:
            best: tuple[int, Elimination] | None = None
            for place, (own, relation) in enumerate(relations):
                choice = self._choice(own, relation)
                if choice is not None and (best is None or choice[1] < best[1][1]):
                    best = place, choice
            if best is None:
                return found
            place, choice = best
            relations.pop(place)
            found.append(choice)
            generator, power, value = choice
            changed = []
            for own, relation in relations:
                above, _ = sympy.fraction(sympy.together(relation))
                above, below = _eliminated(above, sympy.S.One, generator, power, value)
                above, _ = sympy.fraction(sympy.together(above / below))
                changed.append((own, sympy.expand(above)))
            relations = changed
        return found

    def _choice(self, own: sympy.Dummy, relation: Any) -> Elimination | None:
        """A generator that a relation gives: linearly, else by its square, else the root's own."""
        symbols = sorted(relation.free_symbols, key=lambda s: (s not in self._meaning, str(s)))
        squares: list[Elimination] = []
        for symbol in symbols:
            polynomial = sympy.Poly(relation, symbol)
            degree = polynomial.degree()
            lead = polynomial.coeff_monomial(symbol**degree)
            if degree == 1 and symbol != own and symbol in self._meaning and lead.is_Rational:
                return symbol, 1, sympy.expand(-polynomial.coeff_monomial(1) / lead)
            if degree == 2 and symbol != own and polynomial.coeff_monomial(symbol) == 0:
                value = -polynomial.coeff_monomial(1) / lead
                squares.append((symbol, 2, sympy.expand(value) if lead.is_Rational else value))
        if squares:
            plain = [s for s in squares if s[0] not in self._meaning]
            return (plain or squares)[0]
        polynomial = sympy.Poly(relation, own)
        degree = polynomial.degree()
        if degree > 1 and len(polynomial.terms()) == 2 and polynomial.LC() == 1:
            return own, int(degree), -polynomial.coeff_monomial(1)  # type: ignore[arg-type]
        return None


def _collected(expression: Any, eliminations: list[Elimination]) -> Any:
    """An expression with its small sums in lowest terms, before the whole is multiplied out."""
    memo: dict[Any, Any] = {}

    def lowest(total: Any) -> Any:
        above, below = sympy.fraction(sympy.together(total))
        for generator, power, value in eliminations:
            above, below = _eliminated(above, below, generator, power, value)
        return _factored(sympy.cancel(above / below)) or total

    def visit(node: Any) -> Any:
        if not isinstance(node, sympy.Add | sympy.Mul | sympy.Pow):
            return node
        if node not in memo:
            result = node.func(*map(visit, node.args))
            if isinstance(result, sympy.Add) and monomials(result) <= MAXIMUM_FACTORED:
                result = lowest(result)
            memo[node] = result
        return memo[node]

    return visit(expression)


def _eliminated(above: Any, below: Any, generator: Any, power: int, value: Any) -> tuple[Any, Any]:
    """Numerator and denominator with a power of a generator replaced by what it is."""
    parts = []
    for part in (above, below):
        if not part.has(generator):
            parts.append((part, sympy.S.One))
            continue
        polynomial = sympy.Poly(part, generator)
        terms = [
            coefficient * generator ** (exponent % power) * value ** (exponent // power)
            for (exponent,), coefficient in polynomial.terms()
        ]
        parts.append(sympy.fraction(sympy.together(sympy.Add(*terms))))
    (a, b), (c, d) = parts
    return a * d, b * c


def _factored(quotient: Any) -> sympy.Expr | None:
    pieces = []
    for part in sympy.fraction(quotient):
        symbols = part.free_symbols
        if not symbols:
            pieces.append(part)
            continue
        polynomial = sympy.Poly(part, *sorted(symbols, key=str))
        large = polynomial.total_degree() > MAXIMUM_DEGREE
        if large or len(polynomial.monoms()) > MAXIMUM_FACTORED:
            return None
        # Factorisation in many variables may take for ever; powers are found by divisors alone.
        pieces.append((sympy.factor if len(symbols) <= MAXIMUM_VARIABLES else sympy.sqf)(part))
    return pieces[0] / pieces[1]


# -- what a generator is made of -----------------------------------------------------------


def _inner_sums(expression: sympy.Expr) -> set[sympy.Basic]:
    """Sums inside the expression that hold no sum themselves, those inside functions aside."""
    holds: dict[sympy.Basic, bool] = {}
    found: set[sympy.Basic] = set()

    def visit(node: sympy.Basic) -> bool:
        if not isinstance(node, sympy.Add | sympy.Mul | sympy.Pow):
            return False
        if node not in holds:
            # The sum inside a root does not count: the root is a generator.
            root = isinstance(node, sympy.Pow) and not isinstance(node.exp, sympy.Integer)
            inner = sum(map(visit, node.args)) > 0 and not root  # every argument is visited
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
