"""Limits on the work that an expression of a file may ask for.

SymPy evaluates as expressions are made, and knows no bound: doubled definitions, powers of
powers and towers of exponentials would keep it busy for ever. So whatever is made of a file's
expressions is measured at once, and refused where it is too large.
"""

from __future__ import annotations

from dataclasses import dataclass

import sympy
from sympy.core.function import AppliedUndef

from pdesl.diagnostics import Span
from pdesl.symbolic.functions import constant_value
from pdesl.symbolic.scope import Mistake, Value, components, mistake

__all__ = ["MAXIMUM_BITS", "Limits", "too_large"]

MAXIMUM_BITS = 1 << 12  # of a numerator or denominator
MAXIMUM_SIZE = 20_000  # nodes of an expression's tree
MAXIMUM_DEPTH = 40  # operations inside one another
_INFINITE = frozenset((sympy.nan, sympy.zoo, sympy.oo, -sympy.oo))


@dataclass(frozen=True, slots=True)
class _Measure:
    """Of an expression's tree: its nodes, its depth, and whether it holds no symbol."""

    size: int = 1
    depth: int = 1
    is_constant: bool = True


def too_large(span: Span | None) -> Mistake:
    return mistake(
        "E305", "this number is too large or has too many digits to work with", span,
        "numbers end at about 1e308; choose units in which it is nearer to 1",
    )  # fmt: skip


class Limits:
    """Measures expressions, and remembers the measures of their parts."""

    def __init__(self) -> None:
        self._measures: dict[sympy.Basic, _Measure] = {}

    def check(self, expression: sympy.Expr, span: Span | None) -> None:
        """Raises `Mistake` for an expression that is too large or no finite real number."""
        measure = self._measure(expression, span)
        if measure.size > MAXIMUM_SIZE:
            raise mistake(
                "E306",
                f"this expression has more than {MAXIMUM_SIZE:,} terms and factors",
                span,
                "make a field of a part of it, with an equation of its own",
            )
        if measure.depth > MAXIMUM_DEPTH:
            raise mistake(
                "E306", f"more than {MAXIMUM_DEPTH} operations lie inside one another here", span,
                "make a field of a part of it, with an equation of its own",
            )  # fmt: skip
        if isinstance(expression, sympy.Rational):
            bits = max(int(expression.p).bit_length(), int(expression.q).bit_length())
            if bits > MAXIMUM_BITS:
                raise too_large(span)
        if measure.is_constant and constant_value(expression) is None:
            # Before SymPy is asked anything about it: its numerics know no end.
            if expression.is_Rational:
                raise too_large(span)
            raise mistake(
                "E312", "this constant is no finite real number", span,
                "numbers end at about 1e308; roots and logarithms need arguments that are positive",
            )  # fmt: skip

    def is_constant(self, expression: sympy.Expr, span: Span | None) -> bool:
        """Whether an expression holds no symbol and no field. Raises `Mistake`."""
        return self._measure(expression, span).is_constant

    def _measure(self, expression: sympy.Basic, span: Span | None) -> _Measure:
        # Trees share subtrees, so measures are added bottom-up and kept.
        known = self._measures
        stack = [expression]
        while stack:
            node = stack[-1]
            if node in known:
                stack.pop()
                continue
            missing = [a for a in node.args if a not in known]
            if missing:
                stack.extend(missing)
                continue
            if node in _INFINITE:
                raise mistake("E312", "this divides by zero or is infinite", span,
                              "write a finite number")  # fmt: skip
            inner = [known[a] for a in node.args]
            known[node] = _Measure(
                1 + sum(m.size for m in inner),
                1 + max((m.depth for m in inner), default=0),
                not node.is_Symbol and not isinstance(node, AppliedUndef)
                and all(m.is_constant for m in inner),
            )  # fmt: skip
            stack.pop()
        return known[expression]

    def folded(self, value: Value, span: Span | None) -> sympy.Expr:
        """A constant as a rational of 53 bits, so that comparing it is cheap."""
        assert not isinstance(value, sympy.MatrixBase)
        if value.is_Rational or not self.is_constant(value, span):
            return value
        number = constant_value(value)
        assert number is not None, "a constant was found finite when it was read"
        return sympy.Rational(number)

    def substitute(
        self, value: Value, replaced: dict[sympy.Symbol, sympy.Expr], span: Span | None
    ) -> Value:
        """A definition with values in place of its arguments, each part bounded as it is made."""
        memo: dict[sympy.Basic, sympy.Expr] = dict(replaced)  # pyright: ignore[reportAssignmentType]

        def visit(node: sympy.Basic) -> sympy.Expr:
            if node not in memo:
                made = node.func(*(visit(a) for a in node.args)) if node.args else node
                self.check(made, span)  # type: ignore[arg-type]
                memo[node] = made  # type: ignore[assignment]
            return memo[node]

        if isinstance(value, sympy.MatrixBase):
            return sympy.ImmutableDenseMatrix(
                value.rows, value.cols, [visit(e) for e in components(value)]
            )
        return visit(value)
