"""Tensors in Python: index notation for problems, and tensor calculus of explicit metrics.

Index notation is written with letters, `mu` above and `-mu` below:

    import sympy as sp
    from pdesl import Problem
    from pdesl.tensors import indices, nabla, tensor

    t, r, theta, phi = sp.symbols("t r theta phi")
    mu, nu = indices("mu nu")
    psi = sp.Function("psi")(t, r, theta, phi)
    A = tensor("A", t, r, theta, phi)

    wave = sp.Eq(nabla(-mu, nabla(mu, psi)), 0)
    maxwell = sp.Eq(nabla(-mu, nabla(mu, A[nu])), 0)

A repeated letter is summed over where the equation is read, as in a file; `tensor("g", …)`,
`tensor("R", …)` and the other tensors of a metric go by their names.

The functions of tensor calculus (`christoffel`, `riemann`, …) work on a `Metric` of SymPy
expressions in the coordinates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sympy
from sympy.core.function import AppliedUndef

from pdesl.language.names import canonical_name, is_name
from pdesl.symbolic.metric import Metric
from pdesl.symbolic.tensors import (
    Tensor,
    christoffel,
    contract,
    covariant_derivative,
    curl,
    divergence,
    einstein,
    gradient,
    laplace_beltrami,
    lie_derivative,
    lowered,
    partial_derivative,
    raised,
    ricci,
    riemann,
    scalar_curvature,
    with_indices,
)  # fmt: skip
from pdesl.symbolic.vanishing import is_zero

__all__ = [
    "Index", "IndexedName", "Metric", "Tensor", "christoffel", "contract", "covariant_derivative",
    "curl", "divergence", "einstein", "gradient", "indices", "is_zero", "laplace_beltrami",
    "lie_derivative", "lowered", "nabla", "partial", "partial_derivative", "raised", "ricci",
    "riemann", "scalar_curvature", "tensor", "with_indices",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Index:
    """A letter above; `-mu` stands below. Greek runs over all coordinates, Latin over space."""

    name: str
    side: str = "up"

    def __neg__(self) -> Index:
        return Index(self.name, "down" if self.side == "up" else "up")


def indices(names: str) -> tuple[Index, ...]:
    """The letters of a text, `indices("mu nu")` or `indices("i, j")`.

    Raises:
        ValueError: a name that is no letter, or the name of one.
    """
    found = []
    for name in names.replace(",", " ").split():
        plain = canonical_name(name)
        if not is_name(plain) or len(plain.rstrip("0123456789")) != 1:
            raise ValueError(f"`{name}` is no letter of an index: write `mu`, `ν` or `i`")
        found.append(Index(plain))
    return tuple(found)


def _index(value: Any) -> Index:
    """An index, or a coordinate, which picks a component: `A[-t]`."""
    match value:
        case Index():
            return value
        case sympy.Symbol():
            return Index(canonical_name(value.name))
        case sympy.Mul() if isinstance(-value, sympy.Symbol):
            return -_index(-value)
    raise TypeError(f"{value!r} is no index: `mu, nu = indices('mu nu')`, or a coordinate")


def _written(own: Sequence[Index]) -> str:
    return "".join(f"{'^' if i.side == 'up' else '_'}{{{i.name},}}" for i in own)


@dataclass(frozen=True, slots=True)
class IndexedName:
    """What takes indices: `A[-mu]`, `g[mu, nu]`, a function of the coordinates for SymPy."""

    name: str
    coordinates: tuple[sympy.Symbol, ...]

    def __getitem__(self, own: Any) -> AppliedUndef:
        given = own if isinstance(own, tuple) else (own,)
        text = f"{self.name}{_written([_index(i) for i in given])}"
        return sympy.Function(text)(*self.coordinates)  # type: ignore[return-value]


def tensor(name: str, *coordinates: sympy.Symbol) -> IndexedName:
    """A tensor over coordinates: one of the fields or definitions of a problem, or of its metric.

    The metric gives `g`, `Gamma`, `R`, `G`, `delta` and `epsilon`.

    Raises:
        ValueError: a name that cannot be one, or no coordinates.
    """
    if not is_name(name) or not coordinates:
        raise ValueError('a tensor has a name and coordinates: tensor("A", t, x, y, z)')
    return IndexedName(canonical_name(name), coordinates)


def nabla(index: Any, expression: Any) -> AppliedUndef:
    """∇_μ e for `nabla(-mu, e)`, ∇^μ e for `nabla(mu, e)`; a coordinate picks a component."""
    return sympy.Function(f"∇{_written([_index(index)])}")(expression)  # type: ignore[return-value]


def partial(index: Any, expression: Any) -> AppliedUndef:
    """∂_μ e for `partial(-mu, e)`, ∂^μ e for `partial(mu, e)`."""
    return sympy.Function(f"∂{_written([_index(index)])}")(expression)  # type: ignore[return-value]
