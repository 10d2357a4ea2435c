"""Sparse linear equations of collocation: factorised exactly, or incompletely for GMRES.

The rows are scaled by their largest entries, then the columns; equations are matched with the
unknowns of their node, and the nodes ordered by nested dissection from their coordinates. Where the
factors would take too many operations (many nodes in three dimensions) an incomplete
factorisation in reverse Cuthill-McKee order preconditions GMRES; where that fails, they are made
after all. What is solved with a factorisation, is iterated with GMRES to rounding or to
the tolerance, so that a factorisation of a matrix nearby serves as well.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.sparse
import scipy.sparse.linalg
from scipy.sparse.csgraph import reverse_cuthill_mckee

from pdesl.diagnostics import SolverError
from pdesl.solvers.dissection import Dissection, dissect
from pdesl.solvers.krylov import KrylovResult, gmres
from pdesl.solvers.matching import match_at_nodes

__all__ = ["Factors", "LinearSolver", "elimination_order", "singular"]

# Operations of an exact factorisation beyond which an incomplete one is tried first, by dimension.
# In space that is from some 10,000 nodes on: a few seconds of one core. In the plane incomplete
# factors need many more iterations, and exact ones serve up to a million nodes.
MOST_OPERATIONS = {1: math.inf, 2: 2e12, 3: 3e10}
# A scaled matrix with a larger condition number determines nothing in float64.
UNUSABLE_CONDITION = 1e14
# A diagonal entry is a pivot if it has this share of its column: stability is then restored by
# iteration, and the order of dissection is kept.
PIVOT_SHARE = 0.1
# SuperLU: columns at the leaves treated as one, and columns updated together.
RELAXED, PANEL = 20, 20
# Entries of an incomplete factor below this share of their column are dropped; the second value
# is tried where the first does not converge.
DROP_SHARES = (1e-2, 1e-4)
# Products after which an incomplete factorisation counts as useless.
MOST_ITERATIONS = 200
# Relative residual at which equations count as solved.
RESIDUAL = 1e-13
# Backward error, relative to |A| |x| + |b|, that is rounding in float64.
ROUNDING = 4e-16
# Share of the right-hand side that rounding of |A| |x| may reach in an iterated solution.
GROWTH = 1e-4


@dataclass(frozen=True, slots=True)
class Factors:
    """An exact or incomplete factorisation.

    `apply` maps right-hand sides (n,) of the unscaled equations to approximate solutions, and
    `apply_transposed` those of the transposed equations; `weights` (n,) are the row scales that
    residuals are measured in; `entries` counts both factors.
    """

    apply: Callable[[np.ndarray], np.ndarray]
    apply_transposed: Callable[[np.ndarray], np.ndarray]
    weights: np.ndarray
    exact: bool
    entries: int
    words: str


@dataclass(slots=True)
class LinearSolver:
    """Solves equations whose matrices share one pattern.

    `points` (N, d) are nodes, `row_nodes` (R,) and `column_nodes` (R,) say which node each equation
    and each unknown belongs to. `history` counts what was done.
    """

    points: np.ndarray
    row_nodes: np.ndarray
    column_nodes: np.ndarray
    factorisations: int = 0
    iterations: int = 0
    _order: _Order | None = field(default=None, init=False)
    # The next entry of DROP_SHARES to be tried; their number stands for exact factors.
    _level: int = field(default=0, init=False)

    def factorise(self, matrix: Any) -> Factors:
        """Factors of a CSR matrix (R, R).

        Raises:
            SolverError: E704 a singular matrix, E709 factors that do not fit in memory.
        """
        scaled = _Scaled.make(matrix)
        if self._order is None:
            self._order = _Order.make(self, scaled.matrix)
        order = self._order
        self.factorisations += 1
        most = MOST_OPERATIONS[self.points.shape[1]]
        if order.dissection is None or order.dissection.operations <= most:
            self._level = len(DROP_SHARES)
        while self._level < len(DROP_SHARES):
            found = _incomplete(scaled, order, DROP_SHARES[self._level])
            if found is not None:
                return found
            self._level += 1
        return _exact(scaled, order)

    def reduced(self, residual: np.ndarray) -> np.ndarray:
        """The part of a residual that a solution makes vanish: the whole."""
        return residual

    def solve(
        self,
        product: Callable[[np.ndarray], np.ndarray],
        factors: Factors,
        right: np.ndarray,
        *,
        tolerance: float,
        iterations: int,
    ) -> KrylovResult:
        """GMRES for A x = b to ‖W (A x − b)‖ ≤ tolerance ‖W b‖, with the row scales W.

        Args:
            product: v → A v, with a matrix near the one that was factorised.
            factors: the preconditioner, and W.
            right: b (R,).
            tolerance: relative to the right-hand side.
            iterations: the most products.
        """
        weights = factors.weights
        found = gmres(
            lambda v: weights * product(v),
            lambda v: factors.apply(v / weights),
            weights * right,
            tolerance=tolerance * float(np.linalg.norm(weights * right)),
            iterations=iterations,
        )
        self.iterations += found.iterations
        return found

    def solve_matrix(self, matrix: Any, right: np.ndarray) -> tuple[np.ndarray, Factors]:
        """x with A x = b to rounding, and the factors.

        Raises:
            SolverError: E704 a singular matrix or one too near to it, E709 too little memory.
        """
        while True:
            factors = self.factorise(matrix)
            found = self.solve(
                lambda v: matrix @ v,
                factors,
                right,
                tolerance=RESIDUAL,
                iterations=10 if factors.exact else MOST_ITERATIONS,
            )
            # |A| |x| + |b|, the part of which that rounding takes is left in the residual.
            size = abs(matrix) @ np.abs(found.solution) + np.abs(right)
            whole = float(np.linalg.norm(factors.weights * size))
            limit = (1e3 if factors.exact else 10.0) * ROUNDING * whole
            # Without a condition number, the growth of the solution tells a singular matrix.
            grown = whole * ROUNDING > GROWTH * float(np.linalg.norm(factors.weights * right))
            if (found.converged or found.residual <= limit) and (factors.exact or not grown):
                return found.solution, factors
            if factors.exact:
                raise singular()
            self._level += 1


@dataclass(frozen=True, slots=True)
class _Scaled:
    """diag(rows) A diag(columns), whose largest entry in every row and column is about one."""

    matrix: Any
    rows: np.ndarray
    columns: np.ndarray

    @classmethod
    def make(cls, matrix: Any) -> _Scaled:
        rows = _largest(matrix, 1)
        if not (np.all(rows > 0) and np.all(np.isfinite(rows))):
            raise singular()
        matrix = scipy.sparse.csr_matrix(scipy.sparse.diags_array(1.0 / rows) @ matrix)
        columns = _largest(matrix, 0)
        if not np.all(columns > 0):
            raise singular()
        matrix.data /= columns[matrix.indices]
        return cls(matrix, 1.0 / rows, 1.0 / columns)


def _largest(matrix: Any, axis: int) -> np.ndarray:
    return np.asarray(abs(matrix).max(axis=axis).todense()).ravel()


@dataclass(frozen=True, slots=True)
class _Order:
    """Equations and unknowns in the order of elimination; `band` the order for small bandwidth.

    `dissection` is None where equations do not belong to unknowns node by node; a fill-reducing
    order of the columns is then left to SuperLU.
    """

    rows: np.ndarray
    columns: np.ndarray
    band_rows: np.ndarray
    band_columns: np.ndarray
    dissection: Dissection | None

    @classmethod
    def make(cls, solver: LinearSolver, matrix: Any) -> _Order:
        matched = match_at_nodes(matrix, solver.row_nodes, solver.column_nodes)
        plain = np.arange(matrix.shape[0])
        if matched is None:
            return cls(plain, plain, plain, plain, None)
        rows, columns, starts = matched
        entries, nodes = matrix.tocoo(), len(solver.points)
        pairs = solver.row_nodes[entries.row], solver.column_nodes[entries.col]
        one_way = scipy.sparse.csr_matrix((np.ones(len(pairs[0])), pairs), (nodes, nodes))
        graph = scipy.sparse.csr_matrix(one_way + one_way.T)
        sizes = np.diff(starts)
        dissection = dissect(solver.points, graph, sizes)
        slots = _slots(dissection.order, starts, sizes)
        band = _slots(reverse_cuthill_mckee(graph, symmetric_mode=True), starts, sizes)
        return cls(rows[slots], columns[slots], rows[band], columns[band], dissection)


def elimination_order(
    points: np.ndarray, nodes: np.ndarray, matrix: Any
) -> tuple[np.ndarray, np.ndarray] | None:
    """Equations and unknowns in the order of a nested dissection, None where they do not match.

    Args:
        points: the nodes (N, d).
        nodes: which node each equation, and the unknown of the same number, belongs to (R,).
        matrix: CSR (R, R), whose pattern others share.
    """
    order = _Order.make(LinearSolver(points, nodes, nodes), matrix)
    return None if order.dissection is None else (order.rows, order.columns)


def _slots(order: np.ndarray, starts: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Positions of the unknowns of the nodes, nodes in the given order."""
    counts = sizes[order]
    before = np.concatenate([[0], np.cumsum(counts)[:-1]])
    return np.repeat(starts[order] - before, counts) + np.arange(counts.sum())


def _permuted(matrix: Any, rows: np.ndarray, columns: np.ndarray) -> Any:
    return scipy.sparse.csc_matrix(matrix[rows][:, columns])


def _applied(
    factor: Any, scaled: _Scaled, rows: np.ndarray, columns: np.ndarray
) -> Callable[[np.ndarray], np.ndarray]:
    def apply(right: np.ndarray) -> np.ndarray:
        solution = np.empty_like(right)
        solution[columns] = factor.solve((scaled.rows * right)[rows])
        return scaled.columns * solution

    return apply


def _applied_transposed(
    factor: Any, scaled: _Scaled, rows: np.ndarray, columns: np.ndarray
) -> Callable[[np.ndarray], np.ndarray]:
    def apply(right: np.ndarray) -> np.ndarray:
        solution = np.empty_like(right)
        solution[rows] = factor.solve((scaled.columns * right)[columns], "T")
        return scaled.rows * solution

    return apply


def _exact(scaled: _Scaled, order: _Order) -> Factors:
    known = order.dissection is not None
    permuted = _permuted(scaled.matrix, order.rows, order.columns) if known else scaled.matrix
    try:
        factor: Any = scipy.sparse.linalg.splu(
            scipy.sparse.csc_matrix(permuted),
            permc_spec="NATURAL" if known else "COLAMD",
            diag_pivot_thresh=PIVOT_SHARE if known else 1.0,
            relax=RELAXED,
            panel_size=PANEL,
        )
    except RuntimeError:
        raise singular() from None
    except MemoryError:
        raise SolverError(
            f"the factors of {scaled.matrix.shape[0]:,} equations do not fit in memory",
            code="E709",
            advice="take fewer nodes or a lower order, or choose `dt_pinn`",
        ) from None
    if not _condition(permuted, factor) < UNUSABLE_CONDITION:
        raise singular()
    words = "nested dissection" if known else "COLAMD"
    apply = _applied(factor, scaled, order.rows, order.columns)
    transposed = _applied_transposed(factor, scaled, order.rows, order.columns)
    return Factors(apply, transposed, scaled.rows, True, int(factor.nnz), f"LU ({words})")


def _condition(matrix: Any, factor: Any) -> float:
    """An estimate of ‖A‖₁ ‖A⁻¹‖₁, mostly within a factor of three (N. J. Higham and F. Tisseur,
    SIAM J. Matrix Anal. Appl. 21 (2000) 1185)."""
    make_operator: Any = scipy.sparse.linalg.LinearOperator
    inverse = make_operator(
        matrix.shape,
        matvec=factor.solve,
        rmatvec=lambda x: factor.solve(x, "T"),
        matmat=factor.solve,
        rmatmat=lambda x: factor.solve(x, "T"),
        dtype=float,
    )
    size: Any = scipy.sparse.linalg.onenormest(inverse, t=2, itmax=2)
    return float(size * scipy.sparse.linalg.norm(matrix, 1))


def _incomplete(scaled: _Scaled, order: _Order, drop: float) -> Factors | None:
    permuted = _permuted(scaled.matrix, order.band_rows, order.band_columns)
    try:
        factor: Any = scipy.sparse.linalg.spilu(
            permuted,
            drop_tol=drop,
            permc_spec="NATURAL",
            diag_pivot_thresh=PIVOT_SHARE,
        )
    except (RuntimeError, MemoryError):
        return None
    apply = _applied(factor, scaled, order.band_rows, order.band_columns)
    transposed = _applied_transposed(factor, scaled, order.band_rows, order.band_columns)
    return Factors(
        apply, transposed, scaled.rows, False, int(factor.nnz), "GMRES with incomplete LU"
    )


def singular(free: str = "") -> SolverError:
    """The error for equations that do not determine their solution.

    `free` names the fields that are known to be free by a constant.
    """
    reason = f"{free} is free by a constant" if free else "their matrix is singular"
    return SolverError(
        f"the equations do not determine the solution: {reason}",
        code="E704",
        advice="with Neumann conditions alone the solution is free by a constant: fix it under "
        "`boundary:` by a line `∫(u) = 0`, fix a value on a part of the boundary, or add a term in "
        "the field itself",
    )
