"""Common subexpressions, factors and divisions of expressions, for code that is evaluated often.

Equal subtrees are shared by any tape (see `functions`). What is left are parts of sums and
products that no subtree shows: s/r³ in x² s/r³ and in x y s/r³, a lapse in front of every term of
a wave operator, and the divisions by r, r² and r³, of which one does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import sympy

__all__ = ["Definitions", "share"]

Definitions = list[tuple[sympy.Symbol, sympy.Expr]]
# Sums of more terms are not searched for common factors.
MAXIMUM_TERMS = 400


def share(expressions: Sequence[sympy.Expr]) -> tuple[Definitions, list[sympy.Expr]]:
    """Expressions as ones of fewer operations in further symbols, and what these stand for.

    Returns:
        (definitions, results): each definition is in the symbols of the expressions and of the
        definitions before it. Values change by rounding alone.
    """
    memo: dict[sympy.Basic, sympy.Basic] = {}
    factored: list[Any] = [_factored(e, memo) for e in expressions]
    inverses, replaced = _inverses(factored)
    names = (sympy.Dummy(f"part{i}", real=True) for i in range(1 << 30))
    found, results = sympy.cse(  # type: ignore[misc]
        [*(value for _, value in inverses), *replaced], symbols=names, optimizations=[],
        order="none",
    )  # fmt: skip
    values = dict(zip((symbol for symbol, _ in inverses), results, strict=False))
    definitions = _ordered([*found, *values.items()])
    return definitions, list(results)[len(inverses) :]  # type: ignore[arg-type]


def _factored(node: Any, memo: dict[sympy.Basic, Any]) -> Any:
    """Sums with their most frequent factors in front, a b + a c as a (b + c)."""
    if node.is_Atom:
        return node
    if node not in memo:
        arguments = [_factored(a, memo) for a in node.args]
        result = node.func(*arguments) if list(node.args) != arguments else node
        memo[node] = _in_front(result) if isinstance(result, sympy.Add) else result
    return memo[node]


def _in_front(total: sympy.Add) -> sympy.Expr:
    terms = list(total.args)
    if not 2 <= len(terms) <= MAXIMUM_TERMS:
        return total
    counts: Counter[Any] = Counter()
    for term in terms:
        counts.update(list(dict.fromkeys(f for f in sympy.Mul.make_args(term) if not f.is_Number)))
    if not counts:
        return total
    # Of equally frequent factors the one that takes most work, the first of several.
    factor, count = max(counts.items(), key=lambda c: (c[1], sympy.count_ops(c[0])))
    if count < 2:
        return total
    inside, outside = [], []
    for term in terms:
        factors = list(sympy.Mul.make_args(term))
        if factor in factors:
            factors.remove(factor)
            inside.append(sympy.Mul(*factors))
        else:
            outside.append(term)
    inner: Any = sympy.Add(*inside)
    inner = _in_front(inner) if isinstance(inner, sympy.Add) else inner
    product = sympy.Mul(factor, inner)
    rest: Any = sympy.Add(*outside)
    rest = _in_front(rest) if isinstance(rest, sympy.Add) else rest
    return sympy.Add(product, rest)


def _inverses(expressions: Sequence[Any]) -> tuple[Definitions, list[Any]]:
    """One division for all negative powers of a base: others are powers of b⁻¹ᐟ² or b⁻¹."""
    exponents: dict[Any, set[sympy.Rational]] = {}
    seen: set[Any] = set()
    waiting: list[Any] = list(expressions)
    while waiting:
        node = waiting.pop()
        if node in seen or node.is_Atom:
            continue
        seen.add(node)
        exponent: Any = node.exp if isinstance(node, sympy.Pow) else None
        if isinstance(exponent, sympy.Rational) and exponent.q <= 2:
            exponents.setdefault(node.base, set()).add(exponent)
        waiting.extend(node.args)
    values: dict[Any, Any] = {}
    definitions: Definitions = []
    for base, found in exponents.items():
        negative = sorted(e for e in found if e < 0)
        halves = any(e.q == 2 for e in negative)
        if len(negative) < 2 and not (halves and any(e.q == 2 and e > 0 for e in found)):
            continue
        if not negative:
            continue
        unit = sympy.Rational(1, 2) if halves else sympy.S.One
        name = sympy.Dummy("inverse", real=True)
        definitions.append((name, base**-unit))
        for exponent in found:
            if exponent < 0:
                values[base**exponent] = name ** int(-exponent / unit)
            elif exponent.q == 2:  # √b = b · b⁻¹ᐟ² takes no second root
                values[base**exponent] = base ** (exponent + unit) * name
    return _nested(definitions, values), [_replaced(e, values) for e in expressions]


def _nested(definitions: Definitions, values: dict[Any, Any]) -> Definitions:
    """Definitions whose bases hold others by name."""
    result: Definitions = []
    for name, power in definitions:
        base, exponent = power.as_base_exp()
        result.append((name, sympy.Pow(_replaced(base, values), exponent)))
    return result


def _replaced(expression: Any, values: dict[Any, Any]) -> Any:
    """Powers by name, from the inside out, so that bases may hold others."""
    memo: dict[Any, Any] = {}

    def visit(node: Any) -> Any:
        if node.is_Atom:
            return node
        if node not in memo:
            value = values.get(node)
            if value is not None:
                # What stands for a power may still hold its base, with powers of its own.
                held = {v: visit(v) for v in value.args if not v.is_Atom and v not in values}
                memo[node] = value.xreplace(held) if held else value
            else:
                arguments = [visit(a) for a in node.args]
                memo[node] = node.func(*arguments) if list(node.args) != arguments else node
        return memo[node]

    return visit(expression)


def _ordered(definitions: Iterable[tuple[Any, Any]]) -> Definitions:
    """Definitions such that each holds earlier ones alone."""
    waiting = dict(definitions)
    result: Definitions = []
    done: set[Any] = set()

    def place(symbol: Any) -> None:
        stack = [symbol]
        while stack:
            top = stack[-1]
            missing = [s for s in waiting[top].free_symbols if s in waiting and s not in done]
            if top in done or not missing:
                stack.pop()
                if top not in done:
                    done.add(top)
                    result.append((top, waiting[top]))
                continue
            stack.extend(missing)

    for symbol in waiting:
        place(symbol)
    return result
