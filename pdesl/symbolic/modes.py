"""Eigenfunctions that a separation ansatz may hold, known by their differential equations alone.

A mode stands in an ansatz as a plain applied function, `Y(ℓ, m, θ, φ)`. Nothing evaluates it:
second derivatives are replaced by what its equations say, and the rest has to cancel.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import sympy

from pdesl.symbolic.jets import Jet, JetSpace

__all__ = ["MODES", "Mode", "lowered"]

Expr = sympy.Expr


@dataclass(frozen=True, slots=True)
class Mode:
    """One eigenfunction.

    `degrees` names the arguments that are numbers, `angles` those that are coordinates, in this
    order behind them. `second` gives ∂² along each angle in terms of lower derivatives, from the
    degrees, the angles, and a function that makes the jet with given orders along the angles.
    """

    name: str
    degrees: tuple[str, ...]
    angles: tuple[str, ...]
    second: Callable[[tuple[Expr, ...], tuple[sympy.Symbol, ...], Callable[..., Expr]],
                     tuple[Expr, ...]]  # fmt: skip
    words: str = ""
    latex: str = ""

    @property
    def call(self) -> str:
        """How it is written: `Y(ℓ, m, θ, φ)`."""
        return f"{self.name}({', '.join((*self.degrees, *self.angles))})"


def _polar(ell: Expr, m: Expr, angle: sympy.Symbol, jet: Callable[..., Expr], *rest: int) -> Expr:
    """∂θ² from ∂θ²Y + cot θ ∂θY + (ℓ(ℓ+1) − m²/sin²θ) Y = 0."""
    sine = sympy.sin(angle)
    return (
        -sympy.cos(angle) / sine * jet(1, *rest)
        - (ell * (ell + 1) - m**2 / sine**2) * jet(0, *rest)
    )  # fmt: skip


MODES: dict[str, Mode] = {
    mode.name: mode
    for mode in (
        Mode(
            "Y", ("ℓ", "m"), ("θ", "φ"),
            lambda d, a, jet: (_polar(d[0], d[1], a[0], jet, 0), -(d[1] ** 2) * jet(0, 0)),
            "real spherical harmonic: of the sphere's Laplacian with eigenvalue -ℓ(ℓ + 1), and "
            "of ∂φ² with -m²",
        ),
        Mode(
            "legendre", ("ℓ", "m"), ("θ",),
            lambda d, a, jet: (_polar(d[0], d[1], a[0], jet),),
            "associated Legendre function of cos(θ): the part of a spherical harmonic in θ",
            latex="P",
        ),
    )
}  # fmt: skip


def lowered(
    expression: Expr,
    space: JetSpace,
    modes: Mapping[str, tuple[Mode, tuple[Expr, ...], tuple[int, ...]]],
) -> Expr:
    """An expression with derivatives of modes of order one at the most along each angle.

    Args:
        expression: in jets of `space`.
        space: a jet space in which every mode is a field.
        modes: by the name of that field the mode, its degrees, the axes of its angles.
    """
    while True:
        values: dict[sympy.Symbol, Expr] = {}
        for jet in space.jets(expression):
            if jet.field in modes and any(n > 1 for n in jet.orders):
                values[space.symbol(jet)] = _lower(jet, space, *modes[jet.field])
        if not values:
            return expression
        expression = expression.xreplace(values)  # pyright: ignore[reportAssignmentType]


def _lower(
    jet: Jet, space: JetSpace, mode: Mode, degrees: tuple[Expr, ...], axes: tuple[int, ...]
) -> Expr:
    """One jet by the second derivative along the first angle that is differentiated twice."""
    place = next(i for i, axis in enumerate(axes) if jet.orders[axis] > 1)
    zero = space.jet(jet.field)

    def make(*orders: int) -> Expr:
        found = zero
        for axis, order in zip(axes, orders, strict=True):
            found = found.raised(axis, order)
        return space.symbol(found)

    angles = tuple(space.coordinates[axis] for axis in axes)
    result = mode.second(degrees, angles, make)[place]
    for i, axis in enumerate(axes):
        for _ in range(jet.orders[axis] - (2 if i == place else 0)):
            result = space.total_derivative(result, axis)
    return result
