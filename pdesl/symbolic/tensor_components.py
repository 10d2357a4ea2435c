"""Components of the tensors that a metric gives: g, Γ, R, G and ε, as markers and as values.

A component stands in a `Problem` as a marker, an applied function of all coordinates and of the
numbers of its indices, counted from 1 (`g^{tt}` over t, r is the function `g^^` at (t, r, 1, 1)),
so that a problem can be printed as it was written, `g^{tt}`, and derivatives see that it depends
on the coordinates. `component_value` gives it its meaning in a metric, where `erase` asks for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import sympy
from sympy.core.function import AppliedUndef
from sympy.functions.special.tensor_functions import LeviCivita

from pdesl.symbolic.metric import Metric
from pdesl.symbolic.tensors import (
    DOWN,
    UP,
    Symbols,
    Tensor,
    christoffel,
    einstein,
    ricci,
    riemann,
    volume_factor,
    with_indices,
)  # fmt: skip
from pdesl.symbolic.vanishing import is_zero, tidied
from pdesl.symbolic.vector_calculus import unit_normal

__all__ = [
    "GEOMETRIC", "Geometry", "christoffel_of", "component_parts", "component_value",
]  # fmt: skip

_MARKS = {UP: "^", DOWN: "."}
_SIDES = {mark: side for side, mark in _MARKS.items()}
Sides = tuple[str, ...]

#: The tensors of a metric by their names, with the numbers of indices that each can have.
GEOMETRIC: dict[str, tuple[tuple[int, ...], str]] = {
    "g": ((2,), "the metric"),
    "Γ": ((3,), "the Christoffel symbols"),
    "R": ((2, 4), "the curvature: Ricci tensor with two indices, Riemann tensor with four"),
    "G": ((2,), "the Einstein tensor"),
    "δ": ((2,), "the unit tensor"),
    "ε": ((2, 3, 4), "the totally antisymmetric tensor"),
    "n": ((1,), "the outward normal, of unit length"),
}


@lru_cache(maxsize=16)
def christoffel_of(metric: Metric, coordinates: tuple[sympy.Symbol, ...]) -> Symbols:
    """Γ^σ_{μν} without the components that vanish."""
    found = christoffel(metric, coordinates)
    size = range(len(found))

    def kept(upper: int, i: int, j: int) -> sympy.Expr:
        entry = found[upper][i][j]
        return sympy.S.Zero if is_zero(entry) else entry

    half = {(k, i, j): kept(k, i, j) for k in size for i in size for j in size if i <= j}
    return tuple(
        tuple(tuple(half[k, min(i, j), max(i, j)] for j in size) for i in size) for k in size
    )


@lru_cache(maxsize=16)
def _riemann(metric: Metric, coordinates: tuple[sympy.Symbol, ...]) -> Tensor:
    return _tidied(riemann(metric, coordinates))


class _Tidy:
    """`tidied`, once for formulas that are equal up to a sign."""

    def __init__(self) -> None:
        self.known: dict[sympy.Expr, sympy.Expr] = {}

    def __call__(self, expression: sympy.Expr) -> sympy.Expr:
        if -expression in self.known:
            return -self.known[-expression]
        if expression not in self.known:
            self.known[expression] = tidied(expression)
        return self.known[expression]


def _tidied(tensor: Tensor) -> Tensor:
    tidy = _Tidy()
    entries = {indices: tidy(entry) for indices, entry in tensor.entries.items()}
    return Tensor(tensor.sides, tensor.size, {i: e for i, e in entries.items() if e != 0})


@lru_cache(maxsize=64)
def _tensor(
    name: str, sides: Sides, metric: Metric, coordinates: tuple[sympy.Symbol, ...]
) -> Tensor:
    """R, G or their raised and lowered forms, whole."""
    down = (DOWN,) * len(sides)
    if sides != down:
        return _tidied(with_indices(_tensor(name, down, metric, coordinates), sides, metric))
    curvature = _riemann(metric, coordinates)
    if len(sides) == 4:
        return curvature
    contracted = _tidied(ricci(metric, curvature))
    return contracted if name == "R" else _tidied(einstein(metric, contracted))


def _value(
    name: str,
    sides: Sides,
    indices: tuple[int, ...],
    metric: Metric,
    coordinates: tuple[sympy.Symbol, ...],
) -> sympy.Expr:
    entry: Any
    if name == "g":
        entry = (metric.inverse if sides[0] == UP else metric.matrix)[indices]
    elif name == "Γ":
        upper, i, j = indices
        entry = christoffel_of(metric, coordinates)[upper][i][j]
    else:
        entry = _tensor(name, sides, metric, coordinates)[indices]
    return entry


@dataclass(frozen=True, slots=True)
class Geometry:
    """The coordinates of a problem, which of them are space, and its metric, if it has one."""

    coordinates: tuple[sympy.Symbol, ...]
    space: tuple[int, ...]
    metric: Metric | None = None

    @property
    def everywhere(self) -> tuple[int, ...]:
        return tuple(range(len(self.coordinates)))

    @property
    def time(self) -> int | None:
        """The position of time, if there is one."""
        return next((i for i in self.everywhere if i not in self.space), None)

    def is_shifted(self) -> bool:
        """Whether time is mixed with space, g_{ti} ≠ 0."""
        if self.metric is None or self.time is None:
            return False
        return any(self.metric.matrix[self.time, i] != 0 for i in self.space)

    def mixes_time(self) -> bool:
        """Whether space alone has no geometry of its own: g_{ti} ≠ 0, or space changes."""
        if self.metric is None or self.time is None:
            return False
        block = self.metric.matrix.extract(list(self.space), list(self.space))
        return self.is_shifted() or bool(block.has(self.coordinates[self.time]))

    def component(self, name: str, sides: Sides, indices: tuple[int, ...]) -> sympy.Expr:
        """The marker of a component of g, Γ, R, G or ε; zero or a number where it is one.

        Symmetric pairs are put in order. Without a metric the components are those of Cartesian
        coordinates in space.
        """
        if name == "δ" or (name == "g" and len(set(sides)) == 2):
            return sympy.Integer(indices[0] == indices[1])
        if name == "ε":
            return self._levi_civita(sides, indices)
        if name == "n":
            return self._normal(sides, indices[0])
        if self.metric is None:
            return sympy.Integer(name == "g" and indices[0] == indices[1])
        if name == "R" and len(indices) == 4:
            for first in (0, 2):
                if indices[first] == indices[first + 1] and sides[first] == sides[first + 1]:
                    return sympy.S.Zero
        found = _value(name, sides, indices, self.metric, self.coordinates)
        if found.is_Number:
            return found
        sign, ordered = _canonical(name, sides, indices)
        marker: Any = sympy.Function(name + "".join(_MARKS[s] for s in sides))
        return sign * marker(*self.coordinates, *(sympy.Integer(i + 1) for i in ordered))

    def _normal(self, sides: Sides, position: int) -> sympy.Expr:
        if self.metric is None:
            return sympy.Symbol(f"n[{self.coordinates[position].name}]", real=True)
        marker: Any = sympy.Function("n" + _MARKS[sides[0]])
        return marker(*self.coordinates, sympy.Integer(position + 1))

    def _levi_civita(self, sides: Sides, indices: tuple[int, ...]) -> sympy.Expr:
        """ε_{μν…} = √|g| [μν…] and ε^{μν…} = ± [μν…]/√|g|, with the sign of det g."""
        function: Any = LeviCivita
        sign: Any = function(*indices)
        if self.metric is None or sign == 0:
            return sympy.Integer(int(sign))
        marker: Any = sympy.Function("ε" + _MARKS[sides[0]] * len(sides))
        ordered = sorted(indices)
        return sign * marker(*self.coordinates, *(sympy.Integer(i + 1) for i in ordered))


def _canonical(name: str, sides: Sides, indices: tuple[int, ...]) -> tuple[int, tuple[int, ...]]:
    """The indices in an order that equal components share, and the sign between the two."""
    swaps: list[tuple[int, tuple[int, ...]]]
    if name == "Γ":
        swaps = [(1, (0, 2, 1))]
    elif len(indices) == 2:
        swaps = [(1, (1, 0))]
    else:
        swaps = [(-1, (1, 0, 2, 3)), (-1, (0, 1, 3, 2)), (1, (2, 3, 0, 1))]
    found = {indices: 1}
    waiting = [indices]
    while waiting:
        current = waiting.pop()
        for sign, order in swaps:
            if tuple(sides[i] for i in order) == sides:
                moved = tuple(current[i] for i in order)
                if moved not in found:
                    found[moved] = found[current] * sign
                    waiting.append(moved)
    best = min(found)
    return found[best], best


def component_parts(node: sympy.Basic) -> tuple[str, Sides, tuple[int, ...]] | None:
    """The name, the sides and the indices (from 0) of a marker, None for anything else."""
    if not isinstance(node, AppliedUndef):
        return None
    text = node.func.__name__
    name, marks = text[:1], text[1:]
    if name not in GEOMETRIC or not marks or any(m not in _SIDES for m in marks):
        return None
    arguments: Any = node.args
    numbers = arguments[-len(marks) :]
    return name, tuple(_SIDES[m] for m in marks), tuple(int(n) - 1 for n in numbers)


def component_value(
    node: sympy.Basic, metric: Metric | None, coordinates: tuple[sympy.Symbol, ...],
    spatial: Metric | None, normals: Sequence[sympy.Expr],
) -> sympy.Expr | None:  # fmt: skip
    """What a marker of `Geometry.component` means; None for anything else.

    Args:
        node: the marker.
        metric: g over all coordinates.
        coordinates: in the order of the metric's rows.
        spatial: the metric that it induces on space.
        normals: the components of the chart's normal along the coordinates of space.
    """
    parts = component_parts(node)
    if parts is None or metric is None:
        return None
    name, sides, indices = parts
    if name == "n":
        assert spatial is not None
        apart = len(coordinates) - len(normals)  # time is in front
        return unit_normal(spatial, normals, sides[0])[indices[0] - apart]
    if name != "ε":
        return _value(name, sides, indices, metric, coordinates)
    if len(indices) < len(coordinates):
        assert spatial is not None
        metric = spatial
    factor = volume_factor(metric)
    timeless = spatial is not None and metric.matrix.rows == spatial.matrix.rows
    return factor if sides[0] == DOWN else (1 if timeless else -1) / factor
