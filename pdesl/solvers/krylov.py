"""GMRES with a preconditioner on the right, which leaves the residual the true one.

Source: Y. Saad and M. H. Schultz, SIAM J. Sci. Stat. Comput. 7 (1986) 856; the orthogonalisation
is classical Gram-Schmidt done twice (L. Giraud, J. Langou and M. Rozložník, Comput. Math. Appl.
50 (2005) 1069).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve_triangular

__all__ = ["KrylovResult", "gmres"]

Product = Callable[[np.ndarray], np.ndarray]
# Vectors kept before a restart.
RESTART = 50


@dataclass(frozen=True, slots=True)
class KrylovResult:
    """`solution` (n,), the norm of its true residual, products made, and whether that suffices."""

    solution: np.ndarray
    residual: float
    iterations: int
    converged: bool


def gmres(
    product: Product,
    precondition: Product,
    right: np.ndarray,
    *,
    tolerance: float,
    iterations: int,
) -> KrylovResult:
    """Solve A x = b to ‖b − A x‖₂ ≤ `tolerance`.

    Args:
        product: v → A v.
        precondition: v → P⁻¹ v with P ≈ A.
        right: b (n,).
        tolerance: the largest norm of the residual.
        iterations: the most products with A.

    A cycle that does not halve the residual ends the iteration: at rounding nothing more is won.
    """
    solution, residual = np.zeros_like(right), right
    size, used = float(np.linalg.norm(right)), 0
    while size > tolerance and used < iterations:
        correction, taken = _cycle(
            product, precondition, residual, tolerance, min(RESTART, iterations - used)
        )
        used += taken
        trial = solution + correction
        left = right - product(trial)
        now = float(np.linalg.norm(left))
        if not now < size:
            break
        solution, residual = trial, left
        stalled = now > 0.5 * size
        size = now
        if stalled:
            break
    return KrylovResult(solution, size, used, bool(size <= tolerance))


def _cycle(
    product: Product, precondition: Product, right: np.ndarray, tolerance: float, steps: int
) -> tuple[np.ndarray, int]:
    """The correction of one cycle of at most `steps` products, and their number."""
    size = float(np.linalg.norm(right))
    basis = np.empty((steps + 1, len(right)))
    basis[0] = right / size
    # Preconditioned basis vectors are kept: the correction then costs no further solve.
    directions = np.empty((steps, len(right)))
    triangle, rotated = np.zeros((steps, steps)), np.zeros(steps + 1)
    cosines, sines = np.zeros(steps), np.zeros(steps)
    rotated[0], taken = size, 0
    for k in range(steps):
        directions[k] = precondition(basis[k])
        vector = product(directions[k])
        known = basis[: k + 1]
        column = known @ vector
        vector = vector - column @ known
        again = known @ vector
        vector -= again @ known
        column += again
        length = float(np.linalg.norm(vector))
        if not np.isfinite(length):
            break
        taken = k + 1
        for i in range(k):  # the rotations of the steps before
            column[i], column[i + 1] = (
                cosines[i] * column[i] + sines[i] * column[i + 1],
                cosines[i] * column[i + 1] - sines[i] * column[i],
            )
        radius = float(np.hypot(column[k], length))
        if radius == 0.0:  # the preconditioned matrix is singular on this space
            taken = k
            break
        cosines[k], sines[k] = column[k] / radius, length / radius
        triangle[:k, k], triangle[k, k] = column[:k], radius
        rotated[k + 1], rotated[k] = -sines[k] * rotated[k], cosines[k] * rotated[k]
        if abs(rotated[k + 1]) <= 0.5 * tolerance or length <= 1e-14 * radius:
            break
        basis[k + 1] = vector / length
    if not taken:
        return np.zeros_like(right), max(taken, 1)
    weights = solve_triangular(triangle[:taken, :taken], rotated[:taken])
    return weights @ directions[:taken], taken
