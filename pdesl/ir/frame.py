"""What the passes on jet space begin with: the frame of a problem, the summands of an equation."""

from __future__ import annotations

import sympy

from pdesl.symbolic.jets import JetSpace
from pdesl.symbolic.metric import metric_of
from pdesl.symbolic.operators import Frame
from pdesl.symbolic.problem import Problem

__all__ = ["MAXIMUM_PRODUCT", "frame_of", "summands"]

# A product of sums is multiplied out when that gives at most so many terms.
MAXIMUM_PRODUCT = 64


def frame_of(problem: Problem) -> Frame:
    """The jet space of a problem's fields and closures, with its axes and its metric.

    Raises:
        ProblemError: a metric that cannot be.
    """
    symbols = tuple(c.symbol for c in problem.coordinates)
    names = {c.name: c.symbol for c in problem.coordinates}
    fields = {
        component: tuple(names[c] for c in f.coordinates)
        for f in problem.fields
        for component in f.components
    }
    fields |= {closure.name: symbols for closure in problem.closures}
    time = next((i for i, c in enumerate(problem.coordinates) if c.kind == "time"), None)
    return Frame.over(
        JetSpace.over(symbols, fields),
        tuple(i for i, c in enumerate(problem.coordinates) if c.kind == "space"),
        time,
        metric_of(problem),
        is_graph=problem.shape is not None and problem.shape.kind == "graph",
    )


def summands(expression: sympy.Expr, space: JetSpace) -> list[sympy.Expr]:
    """Summands, with products distributed over sums that hold jets; coefficients stay whole."""
    result: list[sympy.Expr] = []
    waiting = [expression]
    while waiting:
        term = waiting.pop()
        if isinstance(term, sympy.Add):
            waiting.extend(reversed(term.args))
            continue
        if not isinstance(term, sympy.Mul):
            result.append(term)
            continue
        sums = [f for f in term.args if isinstance(f, sympy.Add) and space.jets(f)]
        held = [f for f in term.args if space.jets(f)]
        count = 1
        for factor in sums:
            count *= len(factor.args)
        if not sums or (len(held) > 1 and count > MAXIMUM_PRODUCT):
            result.append(term)
            continue
        first = sums[0]
        rest = sympy.Mul(*(f for f in term.args if f is not first))
        # Summands without jets stay together, as one coefficient.
        plain = sympy.Add(*(a for a in first.args if not space.jets(a)))
        pieces = [a for a in first.args if space.jets(a)]
        if plain != 0:
            pieces.append(plain)
        if len(pieces) == 1 and not space.jets(pieces[0]):
            result.append(term)
            continue
        waiting.extend(reversed([rest * piece for piece in pieces]))
    return result
