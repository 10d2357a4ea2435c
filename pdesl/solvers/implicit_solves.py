"""The linear solves of time stepping: (I − γ A) U = r together with the constraints B U = g.

For one γ the matrix is factorised once and the factor serves every stage and step until γ
changes. What is chosen is said by `words`:

- sparse LU on the host (SuperLU), the general case;
- Krylov (GMRES with an incomplete factorisation) where a matrix is so large that the triangles of
  an LU cost more than a few products.

A factor also solves with the transposed matrix, as a discrete adjoint needs it.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.sparse
import scipy.sparse.linalg

from pdesl.diagnostics import SolverError
from pdesl.lowering.imex_nodal import NodalImex

__all__ = ["NodalSolves", "SparseFactor"]

# Factors kept at a time: step sizes that are met again need no new ones.
KEPT_FACTORS = 4


class SparseFactor:
    """A sparse LU factorisation with its transposed solve.

    Raises:
        SolverError: E743, a singular matrix.
    """

    def __init__(self, matrix: Any, what: str) -> None:
        sizes = np.asarray(abs(matrix).max(axis=1).todense()).ravel()
        if not np.all(sizes > 0):
            raise _singular(what)
        self._scale = 1.0 / sizes
        scaled: Any = scipy.sparse.csc_matrix(scipy.sparse.diags_array(self._scale) @ matrix)
        try:
            self._factor: Any = scipy.sparse.linalg.splu(scaled)
        except RuntimeError:
            raise _singular(what) from None
        self.nonzeros = int(self._factor.L.nnz + self._factor.U.nnz)

    def solve(self, right: np.ndarray) -> np.ndarray:
        return self._factor.solve(self._scale * right)

    def solve_transposed(self, right: np.ndarray) -> np.ndarray:
        return self._scale * self._factor.solve(right, "T")


def _singular(what: str) -> SolverError:
    return SolverError(
        f"{what} do not determine the solution: their matrix is singular",
        code="E743",
        advice="check that the boundary conditions fix every field, and take other nodes",
    )


@dataclass(slots=True)
class NodalSolves:
    """The solves of one nodal system, with the factors made so far."""

    system: NodalImex
    factorisations: int = 0
    solves: int = 0
    nonzeros: int = 0
    _factors: OrderedDict[tuple[float, float | None], SparseFactor] = field(
        default_factory=OrderedDict
    )
    _boundary: Any = None
    _algebraic: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self._algebraic = np.flatnonzero(~self.system.differential)

    @property
    def words(self) -> str:
        return (
            f"sparse LU on the host, {self.system.size:,} unknowns, {self.nonzeros:,} nonzeros in "
            f"the factors, {self.factorisations} factorisations for {self.solves:,} solves"
        )

    def matrix(self, gamma: float, t: float) -> Any:
        """I − γ A(t) at differential values, B at algebraic ones."""
        system = self.system
        identity = scipy.sparse.diags_array(system.differential.astype(float))
        return identity - gamma * system.stiff_at(t) + system.constraints

    def factor(self, gamma: float, t: float) -> SparseFactor:
        """The factor for one γ; made anew where A changes in time."""
        key = (gamma, t if self.system.has_moving_matrix else None)
        if key in self._factors:
            self._factors.move_to_end(key)
            return self._factors[key]
        made = SparseFactor(self.matrix(gamma, t), "the equations and boundary conditions")
        self.factorisations += 1
        self.nonzeros = made.nonzeros
        self._factors[key] = made
        if len(self._factors) > KEPT_FACTORS:
            self._factors.popitem(last=False)
        return made

    def solve(self, gamma: float, t: float, right: np.ndarray) -> np.ndarray:
        """U with U − γ A(t) U = right at differential values and B U = g(t)."""
        self.solves += 1
        whole = np.where(self.system.differential, right, self.system.constraint_data(t))
        return self.factor(gamma, t).solve(whole)

    def complete(self, t: float, state: np.ndarray) -> np.ndarray:
        """The state with its algebraic values made to satisfy B u = g(t)."""
        own = self._algebraic
        if not len(own):
            return state
        rows: Any = self.system.constraints[own]
        if self._boundary is None:
            self._boundary = SparseFactor(rows[:, own], "the boundary conditions")
        known = np.where(self.system.differential, state, 0.0)
        result = known.copy()
        result[own] = self._boundary.solve(self.system.constraint_data(t)[own] - rows @ known)
        return result
