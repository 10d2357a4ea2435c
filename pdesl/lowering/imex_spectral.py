"""A semi-discrete system on a periodic box in Fourier space: v' = E(t, v) + L v + f(t).

The state holds the coefficients of the real transform, (F, n_1, …, n_d // 2 + 1); a derivative is
a product with a symbol, (i k)^m for Fourier's method, that of the central stencil for finite
differences, which on a uniform periodic grid are circulant. Between fields L is a small matrix
for every wave number.

Products are formed on a finer grid, so that no alias of a product of degree m reaches the modes
that are kept: (m + 1)/2 times the points for Fourier's method (S. A. Orszag, J. Atmos. Sci. 28,
1971, for m = 2).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.fft
import sympy

from pdesl.diagnostics import SolverError
from pdesl.ir.imex import ImexRow
from pdesl.ir.system import LinearTerm, System
from pdesl.lowering.differences import difference_symbol
from pdesl.lowering.emit import evaluate_at
from pdesl.lowering.imex_nodal import worst_part
from pdesl.lowering.places import Places
from pdesl.lowering.time_functions import TimeFunction, make_time_function

if TYPE_CHECKING:
    from pdesl.symbolic.geometry import Region

__all__ = ["PeriodicGrid", "SpectralImex", "degree_of_nonlinearity", "make_periodic_grid",
           "to_spectral_imex"]  # fmt: skip

# SciPy dispatches its transforms on types that checkers cannot follow.
_FFT: Any = scipy.fft
_ON_NODE = 1e-9  # of the spacing: how near to a node a place is that node

# The degree that a nonlinear part counts with when it is no polynomial in the jets.
WITHOUT_DEGREE = 2


@dataclass(frozen=True, slots=True, eq=False)
class PeriodicGrid:
    """A uniform grid of a periodic box and its wave numbers.

    `difference_order` is None for Fourier's method, else the order of the finite differences;
    `fine` are the points along each axis at which products are formed.
    """

    lower: np.ndarray
    periods: np.ndarray
    counts: tuple[int, ...]
    fine: tuple[int, ...]
    difference_order: int | None

    @property
    def dimension(self) -> int:
        return len(self.counts)

    @property
    def modes(self) -> tuple[int, ...]:
        return (*self.counts[:-1], self.counts[-1] // 2 + 1)

    def waves(self, axis: int) -> np.ndarray:
        """Wave numbers 2π k / L along one axis, in the order of the transform."""
        count = self.counts[axis]
        step = float(self.periods[axis]) / count
        numbers = _FFT.rfftfreq if axis == self.dimension - 1 else _FFT.fftfreq
        return 2 * np.pi * numbers(count, step)

    def points(self, counts: Sequence[int] | None = None) -> np.ndarray:
        """The points (n, d) of the grid, or of one with other counts; last axis fastest."""
        counts = self.counts if counts is None else counts
        lines = [
            low + length * np.arange(n) / n
            for low, length, n in zip(self.lower, self.periods, counts, strict=True)
        ]
        mesh = np.meshgrid(*lines, indexing="ij")
        return np.stack([m.ravel() for m in mesh], axis=1)

    def symbol(self, index: Sequence[int]) -> np.ndarray:
        """What ∂^index multiplies the coefficients with, of the shape of the modes."""
        total = np.ones(self.modes, dtype=complex)
        for axis, m in enumerate(index):
            if not m:
                continue
            waves, count = self.waves(axis), self.counts[axis]
            if self.difference_order is None:
                line = (1j * waves) ** m
                if m % 2 and count % 2 == 0:
                    line[count // 2] = 0.0  # of exp(±i k x) at the end of the spectrum
            else:
                spacing = float(self.periods[axis]) / count
                line = difference_symbol(waves, spacing, m, self.difference_order)
            shape = [1] * self.dimension
            shape[axis] = -1
            total = total * line.reshape(shape)
        return total

    def to_modes(self, values: np.ndarray) -> np.ndarray:
        """Coefficients of values on the grid, over the last d axes."""
        return _FFT.rfftn(values, axes=self._axes())

    def to_values(self, modes: np.ndarray) -> np.ndarray:
        """Values on the grid of coefficients, over the last d axes."""
        return _FFT.irfftn(modes, s=self.counts, axes=self._axes())

    def _axes(self) -> tuple[int, ...]:
        return tuple(range(-self.dimension, 0))

    def to_fine(self, modes: np.ndarray) -> np.ndarray:
        """Values on the fine grid."""
        if self.fine == self.counts:
            return self.to_values(modes)
        return self.to_grid(modes, self.fine)

    def to_grid(self, modes: np.ndarray, counts: tuple[int, ...]) -> np.ndarray:
        """Values of the trigonometric polynomial on a finer grid."""
        shape = (*counts[:-1], counts[-1] // 2 + 1)
        wide = np.zeros((*modes.shape[: -self.dimension], *shape), dtype=complex)
        for own, other in self.blocks(counts):
            wide[(..., *other)] = modes[(..., *own)]
        scale = np.prod([f / c for f, c in zip(counts, self.counts, strict=True)])
        return _FFT.irfftn(wide, s=counts, axes=self._axes()) * scale

    def from_fine(self, values: np.ndarray) -> np.ndarray:
        """Coefficients of values on the fine grid, those beyond the kept modes dropped."""
        if self.fine == self.counts:
            return self.to_modes(values)
        wide = _FFT.rfftn(values, axes=self._axes())
        found = np.zeros((*wide.shape[: -self.dimension], *self.modes), dtype=complex)
        for own, other in self.blocks(self.fine):
            found[(..., *own)] = wide[(..., *other)]
        scale = np.prod([c / f for f, c in zip(self.fine, self.counts, strict=True)])
        return found * scale

    def blocks(self, counts: tuple[int, ...]) -> list[tuple[tuple[slice, ...], tuple[slice, ...]]]:
        """Where the kept modes lie in both transforms; the end of an even spectrum is dropped."""
        pairs: list[list[tuple[slice, slice]]] = []
        for axis, (count, wide) in enumerate(zip(self.counts, counts, strict=True)):
            half = (count - 1) // 2
            positive = slice(0, half + 1), slice(0, half + 1)
            if axis == self.dimension - 1:
                pairs.append([positive])
                continue
            negative = slice(count - half, count), slice(wide - half, wide)
            pairs.append([positive, negative] if half else [positive])
        found: list[tuple[tuple[slice, ...], tuple[slice, ...]]] = [((), ())]
        for choices in pairs:
            found = [((*a, own), (*b, other)) for a, b in found for own, other in choices]
        return found

    def keep(self, modes: np.ndarray) -> np.ndarray:
        """The coefficients without the end of an even spectrum, which has no phase."""
        if self.difference_order is not None:
            return modes
        found = np.zeros_like(modes)
        for own, _ in self.blocks(self.counts):
            found[(..., *own)] = modes[(..., *own)]
        return found

    def nodes_at(self, places: np.ndarray) -> np.ndarray | None:
        """The numbers (n,) of the nodes that places (n, d) are, None when one is no node."""
        spacing = self.periods / np.asarray(self.counts)
        steps = (places - self.lower) / spacing
        nearest = np.rint(steps)
        if np.any(np.abs(steps - nearest) > _ON_NODE):
            return None
        wrapped = nearest.astype(int) % np.asarray(self.counts)
        return np.asarray(np.ravel_multi_index(tuple(wrapped.T), self.counts))

    def phases(self, places: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        """exp(i k_a (x_a - lower_a)) along each axis a: (m, modes of a), and which of them (n,).

        The m are the different coordinates of the places (n, d) along that axis.
        """
        found: list[tuple[np.ndarray, np.ndarray]] = []
        for axis in range(self.dimension):
            own, which = np.unique(places[:, axis], return_inverse=True)
            found.append((np.exp(1j * np.outer(own - self.lower[axis], self.waves(axis))), which))
        return found

    def interpolate(self, modes: np.ndarray, phases: Sequence[np.ndarray]) -> np.ndarray:
        """Values (k, n) of k trigonometric polynomials (k, modes) at places with these phases."""
        last = self.dimension - 1
        half = np.full(self.modes[-1], 2.0)
        half[0] = 1.0
        if self.counts[-1] % 2 == 0:
            half[-1] = 1.0
        table = modes * half / np.prod(self.counts)
        # The first axis is a matrix product, every further one a sum at each place.
        result: Any = np.tensordot(phases[0], table, axes=(1, 1))
        for axis in range(1, last + 1):
            shape = (len(result), 1, -1, *[1] * (last - axis))
            result = np.sum(result * phases[axis].reshape(shape), axis=2)
        return result.real.T


def make_periodic_grid(
    region: Region, counts: Sequence[int], *, degree: int, difference_order: int | None
) -> PeriodicGrid:
    """The grid of a periodic box; `degree` is that of the products to be formed."""
    lower, _ = region.bounding_box()
    factor = 1.0 if difference_order is not None else (degree + 1) / 2
    fine = tuple(int(_FFT.next_fast_len(ceil(factor * n), real=True)) for n in counts)
    return PeriodicGrid(
        np.asarray(lower, float),
        np.asarray(region.periods, float),
        tuple(counts),
        fine if factor > 1 else tuple(counts),
        difference_order,
    )


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
    `jets` are the jets that products on the fine grid need, as (field, symbol).
    """

    grid: PeriodicGrid
    fields: tuple[str, ...]
    stiff: np.ndarray
    linear: np.ndarray
    jets: tuple[tuple[int, np.ndarray], ...]
    explicit_rows: tuple[_SpectralRow, ...]
    start: np.ndarray

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
        """L v."""
        del t
        return self._apply(self.stiff, state)

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
        """E(t, v)."""
        jets = self._jet_values(state)
        parts = np.zeros((len(self.fields), int(np.prod(self.grid.fine))))
        some = False
        for row in self.explicit_rows:
            for position, coefficient in row.products:
                parts[row.field] += coefficient(t) * jets[position]
                some = True
            if row.nonlinear is not None:
                parts[row.field] += row.nonlinear(t, *(jets[j] for j in row.jets))
                some = True
        found = self._apply(self.linear, state)
        if some:
            found = found + self.grid.from_fine(parts.reshape(-1, *self.grid.fine))
        return found

    def forcing(self, t: float) -> np.ndarray:
        """f(t), the terms without fields."""
        known = [(row.field, row.forcing(t)) for row in self.explicit_rows if row.forcing]
        if not known:
            return np.zeros_like(self.start)
        parts = np.zeros((len(self.fields), int(np.prod(self.grid.fine))))
        for field, values in known:
            parts[field] = values
        return self.grid.from_fine(parts.reshape(-1, *self.grid.fine))

    def linearised(self, t: float, state: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
        """The derivative of E at a state, as a function of a change of the state."""
        jets = self._jet_values(state)
        factors = []
        for row in self.explicit_rows:
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
) -> SpectralImex:
    """The semi-discrete system of rows on a periodic grid.

    Args:
        system: gives fields and initial rows.
        rows: the right-hand side of every field; coefficients of stiff terms are constant.
        grid: the grid.
        values: a number for every parameter.
        start: the first time.

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
        tuple(found),
        grid.keep(grid.to_modes(_initial(system, grid, values, start))),
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
