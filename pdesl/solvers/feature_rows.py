"""The rows of a system at collocation points, and their matrices over random features.

With u_f = Σ_j c_fj φ_j, a linear term a(x) ∂^α u_f makes the row a(x) Π w^α σ^{(|α|)} of the
matrix, so that all terms of one total order k share σ^{(k)}:

    A_f = Σ_k σ^{(k)}(Z) ∘ (a_k(x) W_k),     a_k (n, terms of order k),  W_k (terms, M).

A nonlinear part N(x, jets) adds Σ_j ∂N/∂u_j · (the row of jet j), its slopes taken at a state.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy

from pdesl.ir.system import Row, System
from pdesl.lowering.emit import lower_row
from pdesl.lowering.places import Places
from pdesl.solvers.features import Features
from pdesl.symbolic.functions import numpy_namespace

__all__ = ["CollocationRow", "State", "Term", "as_state", "fixed_row", "to_collocation"]

#: A jet: the number of its field and its multi-index over all coordinates.
Term = tuple[int, tuple[int, ...]]
#: The jets of a state: inputs (n, d) and terms to one array (n,) for each term.
State = Callable[[np.ndarray, Sequence[Term]], list[np.ndarray]]


@dataclass(frozen=True, slots=True)
class CollocationRow:
    """One row at its points: residual = Σ linear + nonlinear(jets, columns) + forcing.

    `inputs` (n, coordinates); `linear` holds (jet, coefficient), a float or (n,); `jets` is what
    the nonlinear part takes and `slopes` its derivative with respect to each.
    """

    name: str
    kind: str
    inputs: np.ndarray
    linear: tuple[tuple[Term, float | np.ndarray], ...]
    jets: tuple[Term, ...]
    nonlinear: Callable[..., Any] | None
    slopes: Callable[..., tuple[Any, ...]] | None
    columns: np.ndarray
    forcing: np.ndarray

    def __len__(self) -> int:
        return len(self.forcing)

    @property
    def terms(self) -> tuple[Term, ...]:
        """Every jet of the row, each once."""
        return tuple(dict.fromkeys((*(term for term, _ in self.linear), *self.jets)))

    def residual(self, jets: Mapping[Term, np.ndarray]) -> np.ndarray:
        """The residual (n,) for the jets of a state; not finite where the row is not."""
        with np.errstate(all="ignore"):
            total = self.forcing.copy()
            for term, coefficient in self.linear:
                total += coefficient * jets[term]
            if self.nonlinear is not None:
                total = total + self.nonlinear(*(jets[t] for t in self.jets), *self.columns)
        return total

    def linearised(self, jets: Mapping[Term, np.ndarray]) -> dict[Term, float | np.ndarray]:
        """The derivative of the residual with respect to every jet, at the jets of a state."""
        found: dict[Term, float | np.ndarray] = dict(self.linear)
        if self.slopes is not None:
            with np.errstate(all="ignore"):
                slopes = self.slopes(*(jets[t] for t in self.jets), *self.columns)
            for term, slope in zip(self.jets, slopes, strict=True):
                found[term] = found.get(term, 0.0) + slope
        return found

    def matrix(
        self, features: Features, fields: int, slopes: Mapping[Term, float | np.ndarray]
    ) -> np.ndarray:
        """Σ slope · ∂^α φ as a matrix (n, fields · M), fields as blocks of columns."""
        count, width = len(self), len(features)
        groups: dict[tuple[int, int], list[tuple[tuple[int, ...], float | np.ndarray]]] = {}
        for (field, orders), slope in slopes.items():
            groups.setdefault((field, sum(orders)), []).append((orders, slope))
        highest = max((order for _, order in groups), default=0)
        derivatives = features.derivatives(self.inputs, highest)
        found = np.zeros((count, fields * width))
        for (field, order), own in groups.items():
            powers = np.stack([features.powers(orders) for orders, _ in own])
            if all(np.ndim(slope) == 0 for _, slope in own):
                scale = np.array([float(slope) for _, slope in own]) @ powers
            else:
                columns = [np.broadcast_to(slope, (count,)) for _, slope in own]
                scale = np.stack(columns, axis=1) @ powers
            found[:, field * width : (field + 1) * width] += derivatives[order] * scale
        return found


def to_collocation(
    row: Row, system: System, places: Places, values: Mapping[sympy.Symbol, float]
) -> CollocationRow:
    """A row of a system at places.

    Raises:
        ProblemError: see `lower_row`.
    """
    arrays = lower_row(row, system, places, values, numpy_namespace())
    linear = tuple(
        ((terms.field, orders), coefficient)
        for terms in arrays.linear
        for orders, coefficient in terms.terms.items()
    )
    return CollocationRow(
        row.name,
        row.kind,
        places.inputs(system),
        linear,
        arrays.jets,
        arrays.nonlinear,
        arrays.slopes,
        arrays.columns,
        arrays.forcing,
    )


def fixed_row(name: str, term: Term, inputs: np.ndarray, values: np.ndarray) -> CollocationRow:
    """The row  jet = values,  which hands a state over from one time window to the next."""
    columns = np.zeros((0, len(inputs)))
    return CollocationRow(name, "initial", inputs, ((term, 1.0),), (), None, None, columns, -values)


def as_state(features: Features, coefficients: np.ndarray) -> State:
    """The jets of Σ_j c_fj φ_j for coefficients (fields, M)."""

    def jets(inputs: np.ndarray, terms: Sequence[Term]) -> list[np.ndarray]:
        highest = max((sum(orders) for _, orders in terms), default=0)
        derivatives = features.derivatives(inputs, highest)
        return [
            derivatives[sum(orders)] @ (features.powers(orders) * coefficients[field])
            for field, orders in terms
        ]

    return jets
