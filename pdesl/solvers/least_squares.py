"""Dense linear least squares with Tikhonov's term at rounding, by Householder reflections.

    minimise ‖A c − b‖² + μ² ‖c‖²,     μ = 4 ε ‖A‖_F,

with ε the distance between 1 and the next number. Random features are dependent to rounding;
without the second term coefficients grow to 1/ε and their rounding errors swamp the solution. The
factorisation is that of A, A = Q R, followed by that of [R; μ I] = Q′ R′ for triangular blocks
(LAPACK's geqrf and tpqrt), which costs less than factoring [A; μ I].
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg
from scipy.linalg import lapack

__all__ = ["Factorisation", "factorise"]

BLOCK = 64
# Steps of the power iteration for `sensitivity`: it is wanted to a factor.
POWER_STEPS = 12


@dataclass(frozen=True, slots=True)
class Factorisation:
    """A factored least-squares matrix (n, m), and Tikhonov's factor `damping` μ.

    `triangle` is R′ (m, m); the other fields hold the reflections.
    """

    reflections: np.ndarray
    scalars: np.ndarray
    triangle: np.ndarray
    lower: np.ndarray
    blocks: np.ndarray
    damping: float
    rows: int

    def solve(self, right: np.ndarray) -> np.ndarray:
        """The coefficients (m,) for a right-hand side (n,)."""
        count = self.triangle.shape[0]
        padded = np.zeros((self.reflections.shape[0], 1), order="F")
        padded[: self.rows, 0] = right
        call: Any = lapack
        work = int(call.dormqr("L", "T", self.reflections, self.scalars, padded, -1)[1][0])
        turned, _, _ = call.dormqr("L", "T", self.reflections, self.scalars, padded, work)
        upper, _, _ = call.dtpmqrt(
            count,
            self.lower,
            self.blocks,
            np.asfortranarray(turned[:count]),
            np.zeros((count, 1), order="F"),
            trans="T",
        )
        return scipy.linalg.solve_triangular(self.triangle, upper[:, 0], check_finite=False)

    def rank(self) -> float:
        """The effective rank Σ σ²/(σ² + μ²) = m − μ² ‖R′⁻¹‖_F² over the singular values of A."""
        call: Any = lapack
        inverse, _ = call.dtrtri(self.triangle)
        count = self.triangle.shape[0]
        return float(count - self.damping**2 * np.sum(np.triu(inverse) ** 2))

    def condition(self) -> float:
        """An estimate of the 1-norm condition number of R′, Tikhonov's term included."""
        call: Any = lapack
        reciprocal, _ = call.dtrcon(self.triangle)
        return float(1.0 / reciprocal) if reciprocal > 0 else float("inf")

    def sensitivity(self, values: np.ndarray) -> float:
        """‖V R′⁻¹‖₂: how large V c, for V (k, m), can be for ‖A c‖² + μ² ‖c‖² = 1.

        By the power iteration; a lower bound that is close after a few steps.
        """
        vector = np.random.default_rng(0).normal(size=self.triangle.shape[0])
        size = 0.0
        for _ in range(POWER_STEPS):
            vector /= np.linalg.norm(vector)
            image = values @ scipy.linalg.solve_triangular(
                self.triangle, vector, check_finite=False
            )
            size = float(np.linalg.norm(image))
            vector = scipy.linalg.solve_triangular(
                self.triangle, values.T @ image, trans=1, check_finite=False
            )
            if not np.all(np.isfinite(vector)) or not np.any(vector):
                break
        return size


def factorise(matrix: np.ndarray) -> Factorisation:
    """Factor a matrix (n, m), which is overwritten if it is in Fortran order.

    Raises:
        ValueError: an entry that is not finite, or a matrix of zeros.
    """
    rows, count = matrix.shape
    size = float(np.linalg.norm(matrix))
    if not np.isfinite(size) or size == 0.0:
        raise ValueError("the matrix is not finite" if size else "the matrix is zero")
    damping = 4.0 * np.finfo(float).eps * size
    if rows < count:
        matrix = np.concatenate([matrix, np.zeros((count - rows, count))])
    matrix = np.asfortranarray(matrix)
    call: Any = lapack
    work = int(call.dgeqrf_lwork(*matrix.shape)[0])
    reflections, scalars, _, _ = call.dgeqrf(matrix, lwork=work, overwrite_a=True)
    upper = np.asfortranarray(np.triu(reflections[:count]))
    identity = np.asfortranarray(np.diag(np.full(count, damping)))
    triangle, lower, blocks, _ = call.dtpqrt(
        count, min(BLOCK, count), upper, identity, overwrite_a=True, overwrite_b=True
    )
    return Factorisation(reflections, scalars, triangle, lower, blocks, damping, rows)
