"""What a solve for the velocity of parameters says of itself."""

from __future__ import annotations

import equinox as eqx
from jax import Array

__all__ = [
    "BREAKDOWN",
    "CONVERGED",
    "NOT_CONVERGED",
    "NOT_FINITE",
    "REPAIRED",
    "STATUS_WORDS",
    "Found",
    "TangentReport",
]

CONVERGED, NOT_CONVERGED, REPAIRED, BREAKDOWN, NOT_FINITE = range(5)

#: What each status means.
STATUS_WORDS: dict[int, str] = {
    CONVERGED: "solved",
    NOT_CONVERGED: "conjugate gradients ended before the tolerance",
    REPAIRED: "the matrix was not positive definite in rounded numbers: more regularisation",
    BREAKDOWN: "a factorisation broke down",
    NOT_FINITE: "the rows or the right-hand side are not finite",
}


class TangentReport(eqx.Module):
    """What one solve did; numbers are arrays without dimensions.

    Attributes:
        solver, reason: the solver and why it was taken.
        status: a key of `STATUS_WORDS`.
        normal_residual: ‖(M + μI)θ̇ − JᵀF/n‖/‖JᵀF/n‖.
        residual: ‖Jθ̇ − F‖/‖F‖, penalties included.
        iterations: of conjugate gradients.
        largest: the largest eigenvalue of M.
        regularisation: μ.
        condition: (λ₁ + μ)/(λ_k + μ) with the smallest eigenvalue that the solver saw, a lower
            bound of the condition number of M + μI.
        effective_dimension: estimate of Σ λ/(λ + μ).
        rank: of the preconditioner; the order of the matrix where one was factored.
    """

    status: Array
    normal_residual: Array
    residual: Array
    iterations: Array
    largest: Array
    regularisation: Array
    condition: Array
    effective_dimension: Array
    rank: Array
    solver: str = eqx.field(static=True)
    reason: str = eqx.field(static=True)


class Found(eqx.Module):
    """What a solver hands back."""

    direction: Array
    largest: Array
    regularisation: Array
    condition: Array
    effective_dimension: Array
    rank: Array
    iterations: Array
    status: Array
