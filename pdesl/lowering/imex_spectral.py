"""A semi-discrete system on a periodic box in Fourier space: v' = E(t, v) + L v + f(t).

The state holds the coefficients of the real transform, (F, n_1, …, n_d // 2 + 1); a derivative is
a product with a symbol, (i k)^m for Fourier's method, that of the central stencil for finite
differences, which on a uniform periodic grid are circulant. Between fields L is a small matrix
for every wave number.

Products are formed on the finer of the grids of `periodic_grid`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy

from pdesl.diagnostics import SolverError
from pdesl.ir.imex import ImexRow
from pdesl.ir.integrals import Constants
from pdesl.ir.system import LinearTerm, System
from pdesl.lowering.emit import evaluate_at
from pdesl.lowering.imex_nodal import worst_part
from pdesl.lowering.periodic_grid import PeriodicGrid
from pdesl.lowering.periodic_means import make_means
from pdesl.lowering.places import Places
from pdesl.lowering.time_functions import TimeFunction, make_time_function

__all__ = ["SpectralImex", "degree_of_nonlinearity", "to_spectral_imex"]

# The degree that a nonlinear part counts with when it is no polynomial in the jets.
WITHOUT_DEGREE = 2


def degree_of_nonlinearity(system: System, rows: Sequence[ImexRow]) -> tuple[int, bool]:
    """The degree of the nonlinear parts in the jets, and whether all are polynomials.

    A coefficient that depends on place counts as one degree.
    """
    degree, exact = 1, True
    coordinates = set(system.space_symbols)
    for row in rows:
        for term in row.linear:
            if term.coefficient.free_symbols & coordinates:
                degree = max(degree, 2)
        for part in sympy.Add.make_args(row.nonlinear) if row.nonlinear != 0 else ():
            symbols = [system.space.symbol(j) for j in system.space.jets(part)]
            if part.is_polynomial(*symbols):
                own = sympy.Poly(part, *symbols).total_degree()
                degree = max(degree, own + bool(part.free_symbols & coordinates))
            else:
                degree, exact = max(degree, WITHOUT_DEGREE), False
    return degree, exact


@dataclass(frozen=True, slots=True, eq=False)
class _SpectralRow:
    field: int
    name: str
    products: tuple[tuple[int, TimeFunction], ...]
    jets: tuple[int, ...]
    nonlinear: TimeFunction | None
    slopes: tuple[TimeFunction, ...]
    forcing: TimeFunction | None


@dataclass(frozen=True, slots=True, eq=False)
class SpectralImex:
    """The semi-discrete system; see the module.

    `stiff` (F, F, modes) is L, `linear` the same for explicit terms with constant coefficients;
    `jets` are the jets that products on the fine grid need, as (field, symbol). The rows of the
    fields `constrained` are equations in space, L v + N(t, v) + g(t) = 0 at every moment, with N
    and g from `constraint_rows`; `multipliers` among them stand in none. `means` gives what to add
    to a state, at a time, so that conditions on integrals hold.
    """

    grid: PeriodicGrid
    fields: tuple[str, ...]
    stiff: np.ndarray
    linear: np.ndarray
    jets: tuple[tuple[int, np.ndarray], ...]
    explicit_rows: tuple[_SpectralRow, ...]
    start: np.ndarray
    constrained: tuple[int, ...] = ()
    multipliers: tuple[int, ...] = ()
    constraint_rows: tuple[_SpectralRow, ...] = ()
    means: Callable[[float, np.ndarray], np.ndarray] | None = None

    @property
    def size(self) -> int:
        return len(self.fields) * int(np.prod(self.grid.counts))

    @property
    def coupled(self) -> bool:
        """Whether the stiff part couples fields."""
        return bool(np.any(self.stiff[~np.eye(len(self.fields), dtype=bool)]))

    @property
    def diagonal(self) -> np.ndarray:
        """L of fields that it does not couple, (F, modes)."""
        return np.stack([self.stiff[f, f] for f in range(len(self.fields))])

    def implicit(self, t: float, state: np.ndarray) -> np.ndarray:
        """L v, zero for constrained fields."""
        del t
        return self.masked(self._apply(self.stiff, state))

    def held(self, state: np.ndarray) -> np.ndarray:
        """L v for constrained fields alone."""
        found = self._apply(self.stiff, state)
        return found - self.masked(found)

    def masked(self, state: np.ndarray) -> np.ndarray:
        """A state with zeros for constrained fields."""
        if not self.constrained:
            return state
        found = state.copy()
        found[list(self.constrained)] = 0.0
        return found

    def _apply(self, table: np.ndarray, state: np.ndarray) -> np.ndarray:
        if len(self.fields) == 1:
            return table[0] * state
        return np.einsum("fg...,g...->f...", table, state)

    def _jet_values(self, state: np.ndarray) -> list[np.ndarray]:
        if not self.jets:
            return []
        table = np.stack([symbol * state[f] for f, symbol in self.jets])
        values = self.grid.to_fine(table)
        return list(values.reshape(len(self.jets), -1))

    def explicit(self, t: float, state: np.ndarray) -> np.ndarray:
        """E(t, v), zero for constrained fields."""
        found = self._apply(self.linear, state)
        products = self._products(t, state, self.explicit_rows)
        return found if products is None else found + products

    def constraint_rest(self, t: float, state: np.ndarray) -> np.ndarray:
        """N(t, v) + g(t), zero for fields that are not constrained."""
        found = self._forcing(t, self.constraint_rows)
        products = self._products(t, state, self.constraint_rows)
        return found if products is None else found + products

    def _products(
        self, t: float, state: np.ndarray, rows: Sequence[_SpectralRow]
    ) -> np.ndarray | None:
        if not any(row.products or row.nonlinear is not None for row in rows):
            return None
        jets = self._jet_values(state)
        parts = np.zeros((len(self.fields), int(np.prod(self.grid.fine))))
        for row in rows:
            for position, coefficient in row.products:
                parts[row.field] += coefficient(t) * jets[position]
            if row.nonlinear is not None:
                parts[row.field] += row.nonlinear(t, *(jets[j] for j in row.jets))
        return self.grid.from_fine(parts.reshape(-1, *self.grid.fine))

    def forcing(self, t: float) -> np.ndarray:
        """f(t), the terms without fields, zero for constrained fields."""
        return self._forcing(t, self.explicit_rows)

    def _forcing(self, t: float, rows: Sequence[_SpectralRow]) -> np.ndarray:
        known = [(row.field, row.forcing(t)) for row in rows if row.forcing]
        if not known:
            return np.zeros_like(self.start)
        parts = np.zeros((len(self.fields), int(np.prod(self.grid.fine))))
        for field, values in known:
            parts[field] = values
        return self.grid.from_fine(parts.reshape(-1, *self.grid.fine))

    def linearised(self, t: float, state: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
        """The derivatives of E and N at a state, as a function of a change of the state."""
        jets = self._jet_values(state)
        factors = []
        for row in (*self.explicit_rows, *self.constraint_rows):
            factors += [(row.field, p, c(t)) for p, c in row.products]
            own = [jets[j] for j in row.jets]
            for j, slope in zip(row.jets, row.slopes, strict=True):
                factors.append((row.field, j, slope(t, *own)))

        def apply(change: np.ndarray) -> np.ndarray:
            found = self._apply(self.linear, change)
            if factors:
                moved = self._jet_values(change)
                parts = np.zeros((len(self.fields), int(np.prod(self.grid.fine))))
                for field, position, factor in factors:
                    parts[field] += factor * moved[position]
                found = found + self.grid.from_fine(parts.reshape(-1, *self.grid.fine))
            return found

        return apply

    def largest_part(self, t: float, state: np.ndarray) -> str:
        """The row and the part of it, explicit, that is not finite or largest at a state."""
        with np.errstate(all="ignore"):
            jets = self._jet_values(state)
            linear = self._apply(self.linear, state)
            sizes: dict[str, float] = {}
            for row in self.explicit_rows:
                scale = float(np.linalg.norm(self.grid.to_fine(state[row.field]))) + 1e-300
                parts = {"linear terms": [self.grid.to_fine(linear[row.field]).ravel()]}
                parts["linear terms"] += [c(t) * jets[p] for p, c in row.products]
                if row.nonlinear is not None:
                    parts["nonlinear terms"] = [row.nonlinear(t, *(jets[j] for j in row.jets))]
                for name, arrays in parts.items():
                    size = float(np.linalg.norm(np.sum(arrays, axis=0)))
                    sizes[f"the explicit {name} of {row.name}"] = size / scale
        return worst_part(sizes)


def to_spectral_imex(
    system: System,
    rows: Sequence[ImexRow],
    grid: PeriodicGrid,
    values: Mapping[sympy.Symbol, float],
    start: float,
    free: Sequence[Constants] = (),
) -> SpectralImex:
    """The semi-discrete system of rows on a periodic grid.

    Args:
        system: gives fields and initial rows.
        rows: the right-hand side of every field; coefficients of stiff terms are constant.
        grid: the grid.
        values: a number for every parameter.
        start: the first time.
        free: constants by field that constraints leave free (`ir.invariance.free_constants`).

    Raises:
        ProblemError: a coefficient or data that are not finite at a node (E326).
        SolverError: E701, initial data that are not finite.
    """
    number = {name: i for i, name in enumerate(system.fields)}
    count = len(system.fields)
    stiff = np.zeros((count, count, *grid.modes), dtype=complex)
    linear = np.zeros_like(stiff)
    fine = Places(grid.points(grid.fine))
    jets: list[tuple[int, tuple[int, ...]]] = []
    moving = {*system.space_symbols, system.time_symbol}

    def jet(field: str, index: tuple[int, ...]) -> int:
        if (number[field], index) not in jets:
            jets.append((number[field], index))
        return jets.index((number[field], index))

    def add(table: np.ndarray, row: ImexRow, term: LinearTerm) -> None:
        (coefficient,) = evaluate_at([term.coefficient], system, fine, values, row.row)
        place = number[row.field], number[term.jet.field]
        table[place] += coefficient * grid.symbol(system.space_orders(term.jet))

    def function(
        expression: sympy.Expr, symbols: Sequence[sympy.Symbol], row: ImexRow
    ) -> TimeFunction:
        return make_time_function(expression, system, fine, values, symbols, row.row)

    found = []
    for row in rows:
        for term in row.stiff:
            add(stiff, row, term)
        products = []
        for term in row.linear:
            if term.coefficient.free_symbols & moving:
                position = jet(term.jet.field, system.space_orders(term.jet))
                products.append((position, function(term.coefficient, (), row)))
            else:
                add(linear, row, term)
        own = system.space.jets(row.nonlinear)
        symbols = [system.space.symbol(j) for j in own]
        nonlinear = function(row.nonlinear, symbols, row) if row.nonlinear != 0 else None
        slopes = [function(sympy.diff(row.nonlinear, s), symbols, row) for s in symbols]
        found.append(
            _SpectralRow(
                number[row.field],
                row.row.name,
                tuple(products),
                tuple(jet(j.field, system.space_orders(j)) for j in own),
                nonlinear,
                tuple(slopes),
                function(row.forcing, (), row) if row.forcing != 0 else None,
            )
        )
    return SpectralImex(
        grid,
        system.fields,
        stiff,
        linear,
        tuple((f, grid.symbol(index)) for f, index in jets),
        tuple(r for r, row in zip(found, rows, strict=True) if not row.is_constraint),
        grid.keep(grid.to_modes(_initial(system, grid, values, start))),
        tuple(number[name] for name in system.constrained),
        tuple(number[name] for name in system.multipliers),
        tuple(r for r, row in zip(found, rows, strict=True) if row.is_constraint),
        make_means(system, free, grid, values),
    )


def _initial(
    system: System, grid: PeriodicGrid, values: Mapping[sympy.Symbol, float], start: float
) -> np.ndarray:
    points = grid.points()
    places = Places(points, None, np.full(len(points), start))
    found = np.zeros((len(system.fields), len(points)))
    for row in system.initial:
        (term,) = (*row.mass, *row.linear)
        coefficients: Any = evaluate_at(
            [term.coefficient, row.forcing], system, places, values, row
        )
        with np.errstate(all="ignore"):
            found[system.fields.index(term.jet.field)] = -coefficients[1] / coefficients[0]
    if not np.all(np.isfinite(found)):
        raise SolverError(
            "the initial data are not finite at some nodes",
            code="E701",
            advice="check what the initial conditions are divided by",
        )
    return found.reshape(-1, *grid.counts)
