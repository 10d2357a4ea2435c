"""Collocated equations that leave constants free, and the conditions that fix them.

A matrix A with A n = 0 for a constant n, and ψᵀ A = 0 on the other side, has a solution for
right-hand sides with ψᵀ b = 0 alone, which data of an approximation miss by the order of its
error. With the equations r of one node and the unknown e of that node,

    A' = A + r eᵀ

is regular and as sparse as A. With the amount c for which eᵀ x = 0, the solution of A' x = b − φ c
is one of A x = b − φ c: the data are met but for a part along a direction φ. As A'ᵀ ψ = e (rᵀψ),
one solve with the transposed factors gives the ψ of the first matrix; it is that direction, since
the part is then least. As φ stays, this is Newton's method for the rest of nonlinear equations.
Several constants are treated alike, with a node for each. What is left is to add the constants by
which the conditions on integrals hold.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import scipy.sparse

from pdesl.diagnostics import SolverError
from pdesl.ir.integrals import missing_constants
from pdesl.ir.invariance import free_constants
from pdesl.solvers.assembly import Assembly
from pdesl.solvers.base import SolverResult, Task
from pdesl.solvers.krylov import KrylovResult
from pdesl.solvers.linear import Factors, LinearSolver

__all__ = ["PinnedSolver", "refuse_incompatible", "with_constants"]

# The defect from which the data count as such that no solution fits.
INCOMPATIBLE = 0.05
# Products for the part of a solution that stems from the surplus of the data.
MOST_PRODUCTS = 50


@dataclass(slots=True)
class PinnedSolver:
    """A `LinearSolver` for matrices that leave constants free.

    `fields` has a field for each constant that shifts it; fields are blocks of columns of `block`
    unknowns.
    """

    inner: LinearSolver
    fields: tuple[int, ...]
    block: int
    _pins: Any = field(default=None, init=False)
    _direction: np.ndarray | None = field(default=None, init=False)

    @property
    def factorisations(self) -> int:
        return self.inner.factorisations

    @property
    def iterations(self) -> int:
        return self.inner.iterations

    def solve(
        self,
        product: Callable[[np.ndarray], np.ndarray],
        factors: Factors,
        right: np.ndarray,
        *,
        tolerance: float,
        iterations: int,
    ) -> KrylovResult:
        """As `LinearSolver.solve`, but for the part of the right-hand side along φ."""
        assert self._direction is not None

        def pinned(vector: np.ndarray) -> np.ndarray:
            return product(vector) + self._pins @ vector

        first, *others = (
            self.inner.solve(pinned, factors, b, tolerance=tolerance, iterations=iterations)
            for b in (right, *self._direction.T)
        )
        found = self._without_part(first.solution, [o.solution for o in others])
        converged = first.converged and all(o.converged for o in others)
        return replace(first, solution=found, converged=converged)

    def solve_matrix(self, matrix: Any, right: np.ndarray) -> tuple[np.ndarray, Factors]:
        """As `LinearSolver.solve_matrix`, but for the part of the right-hand side along φ.

        Raises:
            SolverError: E704 a matrix that is singular beside its constants, E709 too little
                memory.
        """
        self._pins = self._make_pins(matrix)
        pinned = scipy.sparse.csr_matrix(matrix + self._pins)
        solution, factors = self.inner.solve_matrix(pinned, right)
        if self._direction is None:
            found = []
            for column in np.unique(self._pins.indices):
                unit = np.zeros(len(right))
                unit[column] = 1.0
                found.append(_transposed(pinned, factors, unit))
            self._direction, _ = np.linalg.qr(np.stack(found, axis=1))
        parts = [
            self.inner.solve(
                lambda v: pinned @ v, factors, b, tolerance=1e-12, iterations=MOST_PRODUCTS
            ).solution
            for b in self._direction.T
        ]
        return self._without_part(solution, parts), factors

    def reduced(self, residual: np.ndarray) -> np.ndarray:
        """A residual without its part along φ; the whole before the first solution."""
        if self._direction is None:
            return residual
        return residual - self._direction @ (self._direction.T @ residual)

    def defect(self, residual: np.ndarray, start: np.ndarray) -> float:
        """|φᵀ r| / (|φ|ᵀ|r₀|) of the last residual and that of fields that are zero.

        It tells how far the data are from such that a solution fits.
        """
        assert self._direction is not None
        size = np.abs(self._direction).T @ np.abs(start)
        left = np.abs(self._direction.T @ residual)
        return float(np.max(left / np.where(size > 0, size, 1.0)))

    def _without_part(self, solution: np.ndarray, parts: list[np.ndarray]) -> np.ndarray:
        """y − Z c with the amounts c for which the unknowns that were pinned vanish."""
        columns, table = np.unique(self._pins.indices), np.stack(parts, axis=1)
        return solution - table @ np.linalg.solve(table[columns], solution[columns])

    def _make_pins(self, matrix: Any) -> Any:
        """r eᵀ for each constant: the equations of a node in the middle, by their largest entry."""
        inner = self.inner
        middle = np.linalg.norm(inner.points - np.mean(inner.points, axis=0), axis=1)
        nodes = np.argsort(middle)[: len(self.fields)]
        size = np.asarray(abs(matrix).max(axis=1).todense()).ravel()
        rows, columns, entries = [], [], []
        for shifted, node in zip(self.fields, nodes, strict=True):
            own = np.flatnonzero(inner.row_nodes == node)
            rows.append(own)
            columns.append(np.full(len(own), shifted * self.block + node))
            entries.append(size[own])
        pairs = np.concatenate(rows), np.concatenate(columns)
        return scipy.sparse.csr_matrix((np.concatenate(entries), pairs), matrix.shape)


def _transposed(matrix: Any, factors: Factors, right: np.ndarray) -> np.ndarray:
    """A'⁻ᵀ right, refined twice against rounding and incomplete factors."""
    found = factors.apply_transposed(right)
    for _ in range(2):
        found = found + factors.apply_transposed(right - matrix.T @ found)
    return found


def with_constants(task: Task, result: SolverResult) -> SolverResult:
    """The result with the constants added by which the conditions on integrals hold.

    In a problem in time they hold already: methods that do not meet them at every moment refuse.
    """
    system = task.system
    if not system.integrals or not system.is_steady:
        return result
    shift = missing_constants(
        system, free_constants(system, task.values), task.region, task.values, result.evaluate
    )
    own = result.evaluate

    def evaluate(inputs: np.ndarray) -> Mapping[str, np.ndarray]:
        return {name: values + shift[name] for name, values in own(inputs).items()}

    constants = np.array([shift[name] for name in system.fields])
    words = ", ".join(f"{shift[name]:+.6g} to `{name}`" for name in system.fields if shift[name])
    return replace(
        result,
        evaluate=evaluate,
        arrays={**result.arrays, "constants": constants},
        notes=(*result.notes, f"added by the conditions on integrals: {words or 'nothing'}"),
    )


def refuse_incompatible(solver: PinnedSolver, assembly: Assembly, values: np.ndarray) -> None:
    """Raises E708 where no solution fits the data, at nodal values (fields, M) found."""
    start = assembly.residual(np.zeros_like(values))
    if not np.all(np.isfinite(start)):
        return
    left = solver.defect(assembly.residual(values), start)
    if left > INCOMPATIBLE:
        raise SolverError(
            "no solution fits the data: what flows in through the boundary is not what the "
            f"sources take up (a part of {left:.2g} is left over)",
            code="E708",
            advice="with flux conditions all around, the integral of the source over the domain "
            "is that of the flux over the boundary: correct one of the two",
        )
