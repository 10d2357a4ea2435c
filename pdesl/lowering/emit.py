"""From symbols to arrays: what a row needs, as numbers at points and as a function of jets.

A row (see `ir.system`) is lowered once, whoever provides its jets: the coefficients of its linear
terms and its forcing become arrays at the given points, computed in NumPy and float64, and its
nonlinear part becomes a JAX function of jets.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy

from pdesl.diagnostics import Diagnostic, ProblemError
from pdesl.ir.system import Row, System
from pdesl.lowering.places import Places
from pdesl.symbolic.functions import (
    Namespace,
    UnsupportedExpression,
    make_function,
    numpy_namespace,
)
from pdesl.symbolic.jets import Jet

__all__ = ["FieldTerms", "RowArrays", "evaluate_at", "jax_namespace", "lower_row"]


def jax_namespace() -> Namespace:
    """The operations of `jax.numpy`, with what it lacks."""
    import jax.numpy as jnp
    import jax.scipy.special as special

    from pdesl.lowering.special import lambertw, wrightomega

    return Namespace("JAX", jnp, special, {"lambertw": lambertw, "wrightomega": wrightomega})


@dataclass(frozen=True, slots=True)
class FieldTerms:
    """The linear terms of one field in a row: multi-index → coefficient, a float or (n,)."""

    field: int
    terms: Mapping[tuple[int, ...], float | np.ndarray]


@dataclass(frozen=True, slots=True)
class RowArrays:
    """A row at its points.

    residual = Σ linear terms + nonlinear(jets, columns) + forcing, each of shape (n,).
    Multi-indices run over all coordinates of the problem. `jets` are what the nonlinear part
    needs, as (field, multi-index); `slopes` gives its derivatives with respect to each of them;
    `columns` are the coordinate arrays it needs, (k, n).
    """

    name: str
    linear: tuple[FieldTerms, ...]
    jets: tuple[tuple[int, tuple[int, ...]], ...]
    nonlinear: Callable[..., Any] | None
    slopes: Callable[..., tuple[Any, ...]] | None
    columns: np.ndarray
    forcing: np.ndarray


def evaluate_at(
    expressions: Sequence[sympy.Expr],
    system: System,
    places: Places,
    values: Mapping[sympy.Symbol, float],
    row: Row | None = None,
) -> list[float | np.ndarray]:
    """Expressions at points, in float64; a float where an expression is constant.

    Raises:
        ProblemError: a value that is not finite, with the place (E326), or an expression without
            numerical form (E327).
    """
    columns = places.columns(system)
    symbols = [*columns, *values]
    span = row.equation.span if row is not None else None
    try:
        function = make_function(expressions, symbols, numpy_namespace())
        with np.errstate(all="ignore"):
            results = function(*columns.values(), *values.values())
    except UnsupportedExpression as error:
        raise ProblemError(
            [Diagnostic("E327", f"`{error.part}` cannot be evaluated: {error.reason}", span)]
        ) from None
    found: list[float | np.ndarray] = []
    for expression, result in zip(expressions, results, strict=True):
        array = np.asarray(result, dtype=float)
        if not np.all(np.isfinite(array)):
            place = ""
            if array.ndim:
                at = places.points[int(np.argmax(~np.isfinite(array)))]
                names = (s.name for s in system.space_symbols)
                place = " at " + ", ".join(f"{n} = {v:.6g}" for n, v in zip(names, at, strict=True))
            raise ProblemError(
                [
                    Diagnostic(
                        "E326",
                        f"`{_short(expression)}` has no finite value{place}",
                        span,
                        helps=("move the point out of the domain, or rewrite the formula",),
                    )
                ]
            )
        found.append(array if array.ndim else float(array))
    return found


def _short(expression: sympy.Expr) -> str:
    text = str(expression)
    return text if len(text) <= 60 else text[:57] + "…"


def lower_row(
    row: Row,
    system: System,
    places: Places,
    values: Mapping[sympy.Symbol, float],
    namespace: Namespace,
) -> RowArrays:
    """A row at points: coefficients and forcing as arrays, the nonlinear part as a function.

    Args:
        row: a row of the system.
        system: gives the order of fields and coordinates.
        places: where the row holds.
        values: a number for every parameter.
        namespace: what the nonlinear part and its slopes are evaluated with.

    Raises:
        ProblemError: a coefficient or forcing that is not finite somewhere (E326).
    """
    space = system.space
    number = {name: i for i, name in enumerate(system.fields)}
    terms = [*row.mass, *row.linear]
    evaluated = evaluate_at(
        [*(t.coefficient for t in terms), row.forcing], system, places, values, row
    )
    by_field: dict[int, dict[tuple[int, ...], float | np.ndarray]] = {}
    for term, coefficient in zip(terms, evaluated[:-1], strict=True):
        by_field.setdefault(number[term.jet.field], {})[term.jet.orders] = coefficient
    forcing = np.broadcast_to(np.asarray(evaluated[-1], dtype=float), (len(places),)).copy()
    jets: tuple[Jet, ...] = space.jets(row.nonlinear)
    function: Callable[..., Any] | None = None
    slopes: Callable[..., tuple[Any, ...]] | None = None
    columns = np.zeros((0, len(places)))
    if row.nonlinear != 0:
        available = places.columns(system)
        used = [s for s in available if row.nonlinear.has(s)]
        constants = {s: sympy.Float(v, 17) for s, v in values.items()}
        symbols = [space.symbol(j) for j in jets]
        part = row.nonlinear.xreplace(constants)
        try:
            whole: list[Any] = [part]
            inner = make_function(whole, [*symbols, *used], namespace)
            derivatives: list[Any] = [sympy.diff(part, s) for s in symbols]
            slopes = make_function(derivatives, [*symbols, *used], namespace)
        except UnsupportedExpression as error:
            raise ProblemError(
                [
                    Diagnostic(
                        "E327",
                        f"`{error.part}` cannot be evaluated: {error.reason}",
                        row.equation.span,
                    )
                ]
            ) from None
        columns = np.stack([available[s] for s in used]) if used else columns

        def first(*arrays: Any) -> Any:
            return inner(*arrays)[0]

        function = first

    return RowArrays(
        row.name,
        tuple(FieldTerms(f, t) for f, t in sorted(by_field.items())),
        tuple((number[j.field], j.orders) for j in jets),
        function,
        slopes,
        columns,
        forcing,
    )
