"""Hyperviscosity for the advection of a semi-discrete system on scattered nodes.

RBF-FD advection has growing modes on scattered nodes (see `lowering.hyperviscosity`). Where the
rows of a system,

    ∂t u_i = Σ_k Σ_g a_ig^k ∂_k u_g + ν_i Δu_i + …,

advect more than they diffuse between two neighbours, |a| h > 2 ν, the matrix H of that speed
|a| is added to the explicit part. The speed is the root of Σ_k ρ(a^k)², ρ the spectral radius of
the matrix (a_ig^k) over the fields: a bound for characteristics along the coordinates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import sympy

from pdesl.ir.imex import ImexRow
from pdesl.ir.system import System
from pdesl.lowering.hyperviscosity import hyperviscosity
from pdesl.lowering.places import Places
from pdesl.lowering.time_functions import make_time_function
from pdesl.symbolic.jets import differentiate

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

    from pdesl.lowering.imex_nodal import NodalImex
    from pdesl.lowering.space import RbfSpace

__all__ = ["with_hyperviscosity"]


def with_hyperviscosity(
    nodal: NodalImex,
    system: System,
    rows: Sequence[ImexRow],
    space: RbfSpace,
    values: Mapping[sympy.Symbol, float],
    start: float,
    strength: float | None,
    state: np.ndarray,
) -> tuple[NodalImex, str]:
    """The system with hyperviscosity on the fields that need it, and what was done in words.

    Args:
        nodal: what `to_nodal_imex` made of `rows` on `space`.
        strength: c of `hyperviscosity`; None: 1. Zero leaves the system as it is.
        start, state: the first time and the state then, at which speeds are taken. The speed of a
            nonlinear advection is its largest one there, at all nodes.

    Returns:
        The words are empty where no field advects more than it diffuses.

    Raises:
        ProblemError: a coefficient that is not finite at a node (E326).
        SolverError: E710, fewer nodes than a patch has.
    """
    if strength == 0.0:
        return nodal, ""
    advection = _Advection(nodal, system, rows, space, values, start, state)
    speed = advection.speed()
    if not np.any(speed):
        return nodal, ""
    chosen = {}
    for number in advection.moved:
        if not advection.is_advected(number):
            continue
        diffusion = advection.diffusion(number)
        needed = speed * space.cloud.spacing > 2.0 * diffusion
        if np.any(needed):
            own = np.where(needed, speed, 0.0)
            if advection.is_nonlinear:
                own = np.full_like(own, own.max())
            chosen[number] = own
    matrices = {
        number: hyperviscosity(
            space.cloud.evaluation,
            own,
            order=space.order,
            strength=1.0 if strength is None else strength,
            periods=space.periods,
        )
        for number, own in chosen.items()
    }
    explicit = tuple(
        replace(
            row, linear=(*row.linear, (row.field, _wide(matrices[row.field], nodal, row.nodes)))
        )
        if row.field in matrices
        else row
        for row in nodal.explicit_rows
    )
    names = ", ".join(system.fields[number] for number in chosen)
    words = f"hyperviscosity of strength {strength or 1.0:g} damps what the nodes do not resolve"
    return replace(nodal, explicit_rows=explicit), f"{words} of {names}" if chosen else ""


def _wide(matrix: csr_matrix, nodal: NodalImex, nodes: np.ndarray) -> csr_matrix:
    """Rows at nodes, with empty columns for the ghosts."""
    own: csr_matrix = matrix[nodes]
    own.resize((len(nodes), nodal.nodes))
    return own


class _Advection:
    """Coefficients of first and second derivatives at the nodes, at the initial state."""

    def __init__(
        self,
        nodal: NodalImex,
        system: System,
        rows: Sequence[ImexRow],
        space: RbfSpace,
        values: Mapping[sympy.Symbol, float],
        start: float,
        state: np.ndarray,
    ) -> None:
        self.system, self.rows, self.values, self.start = system, rows, values, start
        self.places = Places(space.cloud.evaluation)
        self.expressions = [row.expression(system) for row in rows]
        self.dimension = len(system.frame.space_axes)
        self.is_nonlinear = False
        self.table = nodal.table(state)
        self.moved = [i for i, row in enumerate(rows) if not row.is_constraint]
        self.space = space
        self.known: dict[tuple[int, tuple[int, ...]], np.ndarray] = {}

    def _unit(self, axis: int, times: int) -> tuple[int, ...]:
        return tuple(times if k == axis else 0 for k in range(self.dimension))

    def _slope(self, row: int, field: int, orders: tuple[int, ...]) -> np.ndarray:
        """∂(right-hand side)/∂(∂^orders of a field) at the nodes (n,)."""
        system = self.system
        name = system.fields[field]
        total = np.zeros(len(self.places))
        for jet in system.space.jets(self.expressions[row]):
            if jet.field != name or system.space_orders(jet) != orders or system.time_order(jet):
                continue
            slope = differentiate(self.expressions[row], system.space.symbol(jet))
            needed = system.space.jets(slope)
            self.is_nonlinear |= bool(needed) and sum(orders) == 1
            function = make_time_function(
                slope, system, self.places, self.values,
                [system.space.symbol(j) for j in needed], self.rows[row].row,
            )  # fmt: skip
            arrays = [
                self._values(system.fields.index(j.field), system.space_orders(j)) for j in needed
            ]
            total = total + function(self.start, *arrays)
        return total

    def _values(self, field: int, orders: tuple[int, ...]) -> np.ndarray:
        """A derivative of a field's initial values at the nodes."""
        count = len(self.places)
        if not any(orders):
            return self.table[field][:count]
        if (field, orders) not in self.known:
            (matrix,) = self.space.operators(np.arange(count), [{orders: 1.0}])
            self.known[field, orders] = matrix @ self.table[field]
        return self.known[field, orders]

    def is_advected(self, row: int) -> bool:
        """Whether first derivatives stand in a row whose order in its own field is at most 2."""
        system = self.system
        own = [j for j in system.space.jets(self.expressions[row]) if not system.time_order(j)]
        highest = max(
            (system.space_order(j) for j in own if j.field == system.fields[row]), default=0
        )
        return highest <= 2 and any(system.space_order(j) == 1 for j in own)

    def speed(self) -> np.ndarray:
        """|a| at the nodes (n,)."""
        count = len(self.moved)
        total = np.zeros(len(self.places))
        for axis in range(self.dimension):
            orders = self._unit(axis, 1)
            matrix = np.zeros((len(self.places), count, count))
            for i, row in enumerate(self.moved):
                for g, field in enumerate(self.moved):
                    matrix[:, i, g] = self._slope(row, field, orders)
            total += np.abs(np.linalg.eigvals(matrix)).max(axis=1) ** 2
        return np.sqrt(total)

    def diffusion(self, row: int) -> np.ndarray:
        """ν at the nodes (n,): the smallest coefficient of a field's own second derivatives."""
        parts = [self._slope(row, row, self._unit(axis, 2)) for axis in range(self.dimension)]
        return np.min(np.abs(parts), axis=0)
