"""`System`: a problem as rows on jet space, the form that every lowering reads.

A row states that a residual vanishes,

    Σ m_j(x) u_j  +  Σ a_j(x) u_j  +  N(x, jets)  +  f(x)  =  0,
    mass             linear           nonlinear      forcing

with u_j jets: mass terms carry a time derivative, linear terms do not, coefficients hold
coordinates, parameters and (on the boundary) components of the normal. An RBF-FD operator is a
list of linear terms; a residual of a network needs all four parts; an IMEX splitting is a
partition of a row.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import sympy

from pdesl.symbolic.jets import Jet, JetSpace
from pdesl.symbolic.operators import Frame
from pdesl.symbolic.problem import Equation, Problem, RegionSpec

__all__ = ["LinearTerm", "Row", "System"]


@dataclass(frozen=True, slots=True)
class LinearTerm:
    """coefficient · u_jet."""

    coefficient: sympy.Expr
    jet: Jet

    def expression(self, space: JetSpace) -> sympy.Expr:
        return self.coefficient * space.symbol(self.jet)


@dataclass(frozen=True, slots=True)
class Row:
    """One scalar equation on jet space.

    `kind` is `interior`, `boundary` or `initial`; `stiff` is the part of the residual that the
    file marks as stiff (None without marks); `equation` is where the row comes from.
    """

    name: str
    kind: str
    residual: sympy.Expr
    mass: tuple[LinearTerm, ...]
    linear: tuple[LinearTerm, ...]
    nonlinear: sympy.Expr
    forcing: sympy.Expr
    equation: Equation = field(compare=False, repr=False)
    regions: tuple[RegionSpec, ...] = ()
    stiff: sympy.Expr | None = None
    # The jets of the residual, once they were looked for.
    _jets: tuple[Jet, ...] | None = field(default=None, init=False, compare=False, repr=False)

    def parts(self, space: JetSpace) -> sympy.Expr:
        """The sum of the parts, to be compared with the residual."""
        terms = [t.expression(space) for t in (*self.mass, *self.linear)]
        return sympy.Add(*terms, self.nonlinear, self.forcing)

    def jets(self, space: JetSpace) -> tuple[Jet, ...]:
        if self._jets is None:
            object.__setattr__(self, "_jets", space.jets(self.residual))
        assert self._jets is not None
        return self._jets

    @property
    def is_linear(self) -> bool:
        return self.nonlinear == 0


@dataclass(frozen=True, slots=True)
class IntegralCondition:
    """∫ (row) dV + constant = 0; the row is linear in the fields, without derivatives of them."""

    row: Row
    constant: sympy.Expr


@dataclass(frozen=True, slots=True)
class System:
    """All rows of a problem.

    `fields` are the scalar unknowns in the order of a solver's columns; `exact` a known solution
    by field; `sources` the derived source terms, already substituted in the rows; `closures` the
    names of learned terms, which stand in the rows as jets of order zero.

    In evolution form (see `evolution`) `derivatives` tells which time derivative of the problem
    a field stands for, as a jet of the problem's own jet space, and `eliminated` gives fields of
    the problem that are no unknowns of their own, as expressions in jets. A field without a time
    derivative may stay an unknown; its row then has no mass term (`constrained`).
    """

    problem: Problem
    frame: Frame
    fields: tuple[str, ...]
    rows: tuple[Row, ...]
    boundary: tuple[Row, ...]
    initial: tuple[Row, ...]
    exact: Mapping[str, sympy.Expr] = field(default_factory=dict)
    sources: Mapping[str, sympy.Expr] = field(default_factory=dict)
    closures: tuple[str, ...] = ()
    derivatives: Mapping[str, Jet] = field(default_factory=dict)
    eliminated: Mapping[str, sympy.Expr] = field(default_factory=dict)
    integrals: tuple[IntegralCondition, ...] = ()
    # The evolution forms, once they were asked for (`evolution.to_evolution`).
    _evolved: dict[bool, System] = field(
        default_factory=dict, init=False, compare=False, repr=False
    )

    @property
    def space(self) -> JetSpace:
        return self.frame.space

    @property
    def space_symbols(self) -> tuple[sympy.Symbol, ...]:
        return tuple(self.space.coordinates[i] for i in self.frame.space_axes)

    @property
    def time_symbol(self) -> sympy.Symbol | None:
        axis = self.frame.time_axis
        return None if axis is None else self.space.coordinates[axis]

    @property
    def all_rows(self) -> tuple[Row, ...]:
        return (*self.rows, *self.boundary, *self.initial)

    def time_order(self, jet: Jet) -> int:
        return 0 if self.frame.time_axis is None else jet.orders[self.frame.time_axis]

    def space_order(self, jet: Jet) -> int:
        return sum(jet.orders[i] for i in self.frame.space_axes)

    def space_orders(self, jet: Jet) -> tuple[int, ...]:
        """The jet's multi-index over the spatial coordinates alone."""
        return tuple(jet.orders[i] for i in self.frame.space_axes)

    def order_in_space(self, name: str, rows: Iterable[Row] | None = None) -> int:
        """The highest spatial derivative of a field in some rows (default: the interior's)."""
        found = [self.space_order(j) for r in (rows or self.rows) for j in r.jets(self.space)
                 if j.field == name]  # fmt: skip
        return max(found, default=0)

    def order_in_time(self, name: str) -> int:
        jets = (j for row in self.rows for j in row.jets(self.space))
        found = [self.time_order(j) for j in jets if j.field == name]
        return max(found, default=0)

    @property
    def constrained(self) -> tuple[str, ...]:
        """In a problem in time: the fields of which no equation holds a time derivative.

        In evolution form their rows are equations in space that hold at every moment.
        """
        if self.is_steady:
            return ()
        return tuple(f for f in self.fields if not self.order_in_time(f))

    @property
    def multipliers(self) -> tuple[str, ...]:
        """Those among them that stand in no such row: the pressure of ∇·v = 0."""
        held = {
            j.field for row in self.rows if not row.mass for j in row.jets(self.space)
        }  # fmt: skip
        return tuple(f for f in self.constrained if f not in held)

    @property
    def is_steady(self) -> bool:
        return self.frame.time_axis is None
