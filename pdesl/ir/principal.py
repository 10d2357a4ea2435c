"""The type of an equation at points: elliptic, parabolic, hyperbolic, from its principal symbol.

With A^{μν} the coefficients of the second derivatives of a field and t the time, the row

    A^{tt} ∂t²u + 2 A^{ti} ∂t∂i u + A^{ij} ∂i∂j u + … = 0

is hyperbolic with respect to t where the speeds τ(ξ) of all waves are real and distinct, that is
where A^{ti}A^{tj} − A^{tt}A^{ij} is positive definite; where it is negative definite the row is
elliptic (L. Hörmander, The Analysis of Linear Partial Differential Operators II, section 12.3).
A row of first order in time, ∂t u = Σ a_α ∂^α u, is parabolic where the growth rate
Σ a_α (iξ)^α of its highest even order is negative for every ξ.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import sympy

from pdesl.diagnostics import Diagnostic, Severity
from pdesl.ir.chart import Box, place_words
from pdesl.ir.system import LinearTerm, Row, System
from pdesl.symbolic.functions import UnsupportedExpression, make_function, numpy_namespace

__all__ = ["RowType", "row_types", "type_diagnostics", "type_lines"]

DIRECTIONS = 48
# Eigenvalues below this share of the largest count as zero.
ZERO = 1e-12
BISECTIONS = 40

# Types for which data at the start determine no solution that depends on them continuously.
ILL_POSED = {
    "elliptic": "elliptic, so that data at the start determine no stable solution",
    "not hyperbolic in time": "not hyperbolic in time, so that data at the start determine no "
    "stable solution",
    "ill-posed": "ill-posed: short waves grow without bound, as in heat conduction backwards in "
    "time",
}


@dataclass(frozen=True, slots=True)
class RowType:
    """The types that a row has in the domain, each with a point (n,) where it has it."""

    row: Row
    field: str
    points: Mapping[str, np.ndarray]
    extent: np.ndarray
    # Between two points of different type: one near the place where it changes.
    border: np.ndarray | None = None

    def at(self, point: np.ndarray, system: System) -> str:
        """A point in words."""
        coefficients = [t.coefficient for t in (*self.row.mass, *self.row.linear)]
        return place_words(point, system, coefficients, self.extent)

    @property
    def name(self) -> str:
        """The type, empty where it changes."""
        return next(iter(self.points)) if len(self.points) == 1 else ""


def row_types(
    system: System, box: Box, table: np.ndarray, values: Mapping[sympy.Symbol, float]
) -> tuple[RowType, ...]:
    """The types of the rows at points (m, n), as far as they can be told one field at a time.

    Rows whose highest derivatives are of several fields, or multiplied by fields, are left out:
    their type depends on the whole system, or on the solution.
    """
    found = []
    for row in system.rows:
        part = _principal(row, system)
        if part is None or not len(table):
            continue
        terms, kind = part
        symbols = [*system.space.coordinates, *values]
        try:
            function = make_function([t.coefficient for t in terms], symbols, numpy_namespace())
        except UnsupportedExpression:
            continue

        def types(points: np.ndarray, function=function, terms=terms, kind=kind) -> np.ndarray:
            with np.errstate(all="ignore"):
                numbers = function(*points.T, *values.values())
                each = np.array([np.broadcast_to(np.asarray(v, float), len(points))
                                 for v in numbers])  # fmt: skip
                return _types(each, terms, kind, system)

        names = types(table)
        known = names[names != ""]
        if not len(known):
            continue
        points = {str(n): table[int(np.argmax(names == n))] for n in dict.fromkeys(known)}
        border = None
        if len(points) > 1:
            a, b = list(points.values())[:2]
            border = _border(types, a, b)
        found.append(RowType(row, terms[0].jet.field, points, box.extent, border))
    return tuple(found)


def _border(types, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """A point between two at which the type changes, by bisection."""
    first = types(a[None, :])[0]
    for _ in range(BISECTIONS):
        middle = (a + b) / 2
        if types(middle[None, :])[0] == first:
            a = middle
        else:
            b = middle
    return (a + b) / 2


def _principal(row: Row, system: System) -> tuple[tuple[LinearTerm, ...], str] | None:
    """The terms of highest order, and what they are to be taken for."""
    unknown = set(system.fields)
    terms = [t for t in (*row.mass, *row.linear) if t.jet.field in unknown]
    nonlinear = system.space.jets(row.nonlinear) if row.nonlinear != 0 else ()
    if any(j.field in system.closures and j.order for j in row.jets(system.space)) or not terms:
        return None
    time = max((system.time_order(t.jet) for t in terms), default=0)
    space = max((system.space_order(t.jet) for t in terms), default=0)
    own = {t.jet.field for t in terms if system.time_order(t.jet) == time and time}
    own |= {t.jet.field for t in terms if system.space_order(t.jet) == space and space}
    if len(own) != 1 or space == 0:
        return None
    if any(system.time_order(j) or system.space_order(j) >= space for j in nonlinear):
        return None
    mass = [t for t in terms if system.time_order(t.jet)]
    if system.is_steady or time == 0:
        kind = "steady" if system.is_steady else ""
        top = [t for t in terms if t.jet.order == space]
    elif time == 1 and all(t.jet.order == 1 for t in mass):
        kind, top = "first", mass + [t for t in terms if t.jet.order == space and t not in mass]
    elif time == 2 and space == 2:
        kind, top = "second", [t for t in terms if t.jet.order == 2]
    elif time == 2 and all(t.jet.order == 2 and system.time_order(t.jet) == 2 for t in mass):
        kind, top = "plate", mass + [t for t in terms if t.jet.order == space and t not in mass]
    else:
        return None
    return (tuple(top), kind) if kind else None


def _types(
    numbers: np.ndarray, terms: tuple[LinearTerm, ...], kind: str, system: System
) -> np.ndarray:
    """The type at each point from the coefficients (terms, m); empty where not finite."""
    finite = np.isfinite(numbers).all(axis=0)
    result = np.full(numbers.shape[1], "", dtype=object)
    if not finite.any():
        return result
    own = numbers[:, finite]
    orders = [system.space_orders(t.jet) for t in terms]
    if kind == "second":
        result[finite] = _second_in_time(own, terms, orders, system)
    elif kind == "steady" and sum(orders[0]) == 2:
        result[finite] = _second_steady(_symmetric(own, orders, len(orders[0])))
    else:
        result[finite] = _by_directions(own, terms, orders, kind, system)
    return result


def _symmetric(numbers: np.ndarray, orders: list[tuple[int, ...]], size: int) -> np.ndarray:
    """The matrices (m, d, d) of the second derivatives among some terms."""
    result = np.zeros((numbers.shape[1], size, size))
    for number, order in zip(numbers, orders, strict=True):
        places = [i for i, n in enumerate(order) for _ in range(n)]
        if len(places) == 2:
            i, j = places
            result[:, i, j] += number / 2
            result[:, j, i] += number / 2
    return result


def _signs(matrices: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Numbers of negative, vanishing and positive eigenvalues."""
    values = np.linalg.eigvalsh(matrices)
    small = ZERO * np.max(np.abs(values), axis=1, keepdims=True)
    negative, positive = values < -small, values > small
    return negative.sum(1), (~negative & ~positive).sum(1), positive.sum(1)


def _second_steady(matrices: np.ndarray) -> np.ndarray:
    negative, zero, positive = _signs(matrices)
    least = np.minimum(negative, positive)
    names = np.where(least == 0, "elliptic", np.where(least == 1, "hyperbolic", "ultrahyperbolic"))
    return np.where(zero > 0, "parabolic", names)


def _second_in_time(
    numbers: np.ndarray, terms: tuple[LinearTerm, ...], orders: list[tuple[int, ...]],
    system: System,
) -> np.ndarray:  # fmt: skip
    size = len(orders[0])
    time = [system.time_order(t.jet) for t in terms]
    zero = np.zeros(numbers.shape[1])
    square = sum((n for n, q in zip(numbers, time, strict=True) if q == 2), zero)
    mixed = np.zeros((numbers.shape[1], size))
    for number, q, order in zip(numbers, time, orders, strict=True):
        if q == 1:
            mixed[:, order.index(1)] += number / 2
    matrix = _symmetric(numbers, orders, size)
    whole = mixed[:, :, None] * mixed[:, None, :] - square[:, None, None] * matrix
    negative, zeros, positive = _signs(whole)
    names = np.where(positive == size, "hyperbolic",
                     np.where(negative == size, "elliptic", "not hyperbolic in time"))  # fmt: skip
    return np.where((zeros > 0) & (negative == 0), "degenerate hyperbolic", names)


def _by_directions(
    numbers: np.ndarray, terms: tuple[LinearTerm, ...], orders: list[tuple[int, ...]], kind: str,
    system: System,
) -> np.ndarray:  # fmt: skip
    """By the sign of the symbol Σ a_α ξ^α in many directions ξ."""
    size = len(orders[0])
    directions = np.random.default_rng(0).normal(size=(DIRECTIONS, size))
    directions = np.concatenate([np.eye(size), directions])
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    symbol = np.zeros((len(directions), numbers.shape[1]))
    mass = np.zeros(numbers.shape[1])
    order = 0
    for number, term, own in zip(numbers, terms, orders, strict=True):
        if system.time_order(term.jet):
            mass += number
            continue
        order = sum(own)
        symbol += np.prod(directions ** np.array(own), axis=1)[:, None] * number
    if order % 2:
        word = "hyperbolic" if order == 1 else "dispersive"
        return np.full(numbers.shape[1], "" if kind == "steady" else word, dtype=object)
    sign = -1.0 if (order // 2) % 2 else 1.0  # of (iξ)^α
    scale = np.max(np.abs(symbol), axis=0)
    above, below = np.max(symbol, axis=0) > ZERO * scale, np.min(symbol, axis=0) < -ZERO * scale
    if kind == "steady":
        return np.where(above & below, "not elliptic", "elliptic")
    grows = np.where(sign * mass > 0, below, above)
    names = np.where(grows, "ill-posed", "parabolic" if kind == "first" else "dispersive")
    return np.where(mass == 0, "", names)


# -- messages ------------------------------------------------------------------------------


def type_diagnostics(system: System, found: tuple[RowType, ...]) -> list[Diagnostic]:
    """Equations in time that are ill-posed, somewhere or everywhere (W931)."""
    if system.is_steady:
        return []
    result = []
    for entry in found:
        bad = [n for n in entry.points if n in ILL_POSED]
        if not bad:
            continue
        name = bad[0]
        where = entry.at(entry.points[name], system)
        if len(entry.points) > 1:
            good = next((n for n in entry.points if n not in ILL_POSED), "")
            message = f"this equation is {ILL_POSED[name]}, in a part of the domain, as at {where}"
            if good:
                message = f"this equation is {good} in a part of the domain only; at {where} it " \
                          f"is {ILL_POSED[name]}"  # fmt: skip
            if entry.border is not None:
                message += f"; it changes near {entry.at(entry.border, system)}"
        else:
            message = f"this equation is {ILL_POSED[name]}"
        result.append(
            Diagnostic(
                "W931", message, entry.row.equation.span, severity=Severity.WARNING,
                helps=("check the signs of the highest derivatives, and of the metric if there "
                       "is one; or choose a domain in which they are right",),
            )
        )  # fmt: skip
    return result


def type_lines(found: tuple[RowType, ...]) -> list[str]:
    """What `pdesl check` says of the types."""
    words = {e.field: e.name or "changes: " + ", ".join(e.points) for e in found}
    if not words:
        return []
    if len(set(words.values())) == 1:
        return [f"type: {next(iter(words.values()))}"]
    return ["type: " + "; ".join(f"{field} {name}" for field, name in words.items())]
