"""Jet space: a derivative of a field at a point is a plain symbol.

The jet of a field u over coordinates x₁…x_d is the family of its partial derivatives u_α, with
α a multi-index. `JetSpace` maps each (field, α) to one SymPy symbol and back, and knows the
total derivative

    D_i F(x, u_α) = ∂F/∂x_i + Σ_{u, α} ∂F/∂u_α · u_{α+e_i},

by which an operator applied to any expression becomes an expression in jets
(P. J. Olver, Applications of Lie Groups to Differential Equations, equation 2.35).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import sympy

__all__ = ["Jet", "JetSpace", "format_jet"]

_SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
_NAME = re.compile(r"^(?P<field>.+)\{(?P<orders>\d+(?:,\d+)*)\}$")


@dataclass(frozen=True, slots=True)
class Jet:
    """The derivative of a field with `orders[i]` differentiations along coordinate i."""

    field: str
    orders: tuple[int, ...]

    @property
    def order(self) -> int:
        return sum(self.orders)

    def raised(self, axis: int, times: int = 1) -> Jet:
        orders = list(self.orders)
        orders[axis] += times
        return Jet(self.field, tuple(orders))


@dataclass(frozen=True, slots=True)
class JetSpace:
    """Coordinates, and for each field the positions of the coordinates that it depends on."""

    coordinates: tuple[sympy.Symbol, ...]
    fields: tuple[tuple[str, tuple[int, ...]], ...]

    @staticmethod
    def over(
        coordinates: Sequence[sympy.Symbol], fields: Mapping[str, Iterable[sympy.Symbol]]
    ) -> JetSpace:
        places = {symbol: position for position, symbol in enumerate(coordinates)}
        return JetSpace(
            tuple(coordinates),
            tuple((name, tuple(places[c] for c in own)) for name, own in fields.items()),
        )

    def depends(self, field: str, axis: int) -> bool:
        return axis in dict(self.fields)[field]

    def jet(self, field: str, orders: Sequence[int] | None = None) -> Jet:
        return Jet(field, tuple(orders) if orders else (0,) * len(self.coordinates))

    def symbol(self, jet: Jet) -> sympy.Symbol:
        return sympy.Symbol(f"{jet.field}{{{','.join(map(str, jet.orders))}}}", real=True)

    def jet_of(self, symbol: sympy.Basic) -> Jet | None:
        """The jet that a symbol stands for, None for any other symbol."""
        match = _NAME.match(symbol.name) if isinstance(symbol, sympy.Symbol) else None
        if match is None:
            return None
        return Jet(match["field"], tuple(int(n) for n in match["orders"].split(",")))

    def jets(self, expression: sympy.Basic) -> tuple[Jet, ...]:
        """The jets in an expression, in a fixed order."""
        found = (self.jet_of(symbol) for symbol in expression.free_symbols)
        return tuple(sorted((j for j in found if j is not None), key=lambda j: (j.field, j.orders)))

    def total_derivative(self, expression: sympy.Expr, axis: int) -> sympy.Expr:
        """D_i of an expression in coordinates and jets."""
        terms = [sympy.diff(expression, self.coordinates[axis])]
        for jet in self.jets(expression):
            if self.depends(jet.field, axis):
                slope = sympy.diff(expression, self.symbol(jet))
                terms.append(slope * self.symbol(jet.raised(axis)))
        return sympy.Add(*terms)


def format_jet(jet: Jet, coordinates: Sequence[sympy.Symbol]) -> str:
    """`∂t u`, `∂x²∂y u`, as a file has it."""
    parts = []
    for coordinate, order in zip(coordinates, jet.orders, strict=True):
        if order:
            power = "" if order == 1 else str(order).translate(_SUPERSCRIPTS)
            parts.append(f"∂{coordinate.name}{power}")
    return f"{''.join(parts)} {jet.field}" if parts else jet.field
