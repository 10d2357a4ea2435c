"""Expressions as functions of time at fixed places; what does not change is worked out once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy

from pdesl.diagnostics import Diagnostic, ProblemError
from pdesl.ir.system import Row, System
from pdesl.lowering.emit import evaluate_at, jax_namespace
from pdesl.lowering.places import Places
from pdesl.symbolic.functions import (
    Namespace,
    UnsupportedExpression,
    make_function,
    numpy_namespace,
)

__all__ = ["Formula", "TimeFunction", "make_time_function"]

# A sum is taken apart into products of time and place when it has at most so many terms.
MOST_TERMS = 64


@dataclass(frozen=True, slots=True, eq=False)
class Formula:
    """An expression of time, of arrays and of known columns (n,) each, in this order."""

    expression: sympy.Expr
    arguments: tuple[sympy.Symbol, ...]
    columns: tuple[np.ndarray, ...]
    row: Row

    def to_jax(self) -> Callable[..., Any]:
        """The same as a function in JAX.

        Raises:
            ProblemError: a function that JAX lacks (E327).
        """
        inner = _emitted([self.expression], self.arguments, self.row, jax_namespace())
        return lambda *arrays: inner(*arrays)[0]


@dataclass(frozen=True, slots=True, eq=False)
class TimeFunction:
    """A function of time, and of arrays in the order that it was made for.

    `formula` is there where it is one of arrays.
    """

    function: Callable[..., Any]
    formula: Formula | None = None

    def __call__(self, t: float, *arrays: np.ndarray) -> Any:
        return self.function(t, *arrays)


def make_time_function(
    expression: sympy.Expr,
    system: System,
    places: Places,
    values: Mapping[sympy.Symbol, float],
    symbols: Sequence[sympy.Symbol],
    row: Row,
) -> TimeFunction:
    """An expression at places as a function of time and of arrays for `symbols`.

    Without symbols it is a sum of products f(t) g(x) where the expression is one: then only the
    factors of time are computed at each call.

    Raises:
        ProblemError: a value that is not finite (E326), no numerical form (E327).
    """
    time = system.time_symbol
    if not symbols and (time is None or time not in expression.free_symbols):
        (known,) = evaluate_at([expression], system, places, values, row)
        array = np.broadcast_to(np.asarray(known, float), (len(places),))
        return TimeFunction(lambda t: array)
    constants = {s: sympy.Float(v, 17) for s, v in values.items()}
    part: Any = expression.xreplace(constants)
    if not symbols and time is not None:
        products = _separated(part, time)
        if products is not None:
            return _product_function(products, system, places, values, time, row)
    columns = places.columns(system)
    used = [s for s in columns if expression.has(s)]
    clock = time if time is not None else sympy.Symbol("t", real=True)
    inner = _emitted([part], [clock, *symbols, *used], row)
    arrays = [columns[s] for s in used]
    count = len(places)

    def function(t: float, *own: np.ndarray) -> Any:
        with np.errstate(all="ignore"):
            (result,) = inner(t, *own, *arrays)
        return np.broadcast_to(np.asarray(result, float), (count,))

    formula = Formula(part, (clock, *symbols, *used), tuple(arrays), row)
    return TimeFunction(function, formula)


def _emitted(
    expressions: Sequence[Any],
    arguments: Sequence[sympy.Symbol],
    row: Row,
    namespace: Namespace | None = None,
) -> Callable[..., tuple[Any, ...]]:
    try:
        return make_function(expressions, arguments, namespace or numpy_namespace())
    except UnsupportedExpression as error:
        message = f"`{error.part}` cannot be evaluated: {error.reason}"
        raise ProblemError([Diagnostic("E327", message, row.equation.span)]) from None


def _separated(
    expression: sympy.Expr, time: sympy.Symbol
) -> list[tuple[sympy.Expr, sympy.Expr]] | None:
    """Pairs (factor of time, factor of place) whose products sum to the expression, or None."""
    if sympy.count_ops(expression) > 40 * MOST_TERMS:  # pyright: ignore[reportOperatorIssue]
        return None
    terms = sympy.Add.make_args(sympy.expand_mul(expression))
    if len(terms) > MOST_TERMS:
        return None
    found: dict[sympy.Expr, list[sympy.Expr]] = {}
    for term in terms:
        place, clock = term.as_independent(time, as_Add=False)
        if clock.free_symbols - {time}:
            return None
        found.setdefault(clock, []).append(place)
    return [(clock, sympy.Add(*parts)) for clock, parts in found.items()]


def _product_function(
    products: Sequence[tuple[sympy.Expr, sympy.Expr]],
    system: System,
    places: Places,
    values: Mapping[sympy.Symbol, float],
    time: sympy.Symbol,
    row: Row,
) -> TimeFunction:
    parts = evaluate_at([g for _, g in products], system, places, values, row)
    table = np.stack([np.broadcast_to(np.asarray(g, float), (len(places),)) for g in parts])
    factors = _emitted([f for f, _ in products], [time], row)

    def function(t: float) -> np.ndarray:
        with np.errstate(all="ignore"):
            scale = np.array([float(f) for f in factors(np.float64(t))])
        return scale @ table

    return TimeFunction(function)
