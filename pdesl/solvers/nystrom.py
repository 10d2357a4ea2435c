"""Preconditioners of low rank: from chosen samples, or from random directions.

**Landmarks.** K = JJᵀ (N, N) is approximated by F Fᵀ, F (N, ℓ), the partial Cholesky factor of K
on ℓ chosen samples; the residual K − F Fᵀ is positive, with a known diagonal d. Samples are drawn
in blocks with probabilities d (Y. Chen, E. N. Epperly, J. A. Tropp and R. J. Webber, "Randomly
pivoted Cholesky", 2022, block form), so that regions that are well represented are not drawn
again. The preconditioner is

    (F Fᵀ + μI)⁻¹ = (I − F (FᵀF + μI)⁻¹ Fᵀ)/μ.

**Random directions.** M ≈ U Λ Uᵀ from M Ω with Ω (p, ℓ) orthonormal (Z. Frangella, J. A. Tropp and
M. Udell, "Randomized Nyström preconditioning", 2021, algorithms 2.1 and 5.3), and

    P⁻¹ = I + U ((λ_ℓ + μ)/(Λ + μ) − 1) Uᵀ.
"""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from pdesl.solvers.gram import Factor, factorise
from pdesl.solvers.tangent import GramRows, Rows

__all__ = [
    "GaussianPreconditioner",
    "LandmarkPreconditioner",
    "PartialFactor",
    "extend",
    "gaussian_nystrom",
    "landmark_preconditioner",
    "no_factor",
]

# Least μ of a preconditioner in units of rounding errors of the trace of FᵀF.
LEAST_SHIFT = 10.0
# How often the jitter of a block of landmarks is raised a hundredfold.
MOST_REPAIRS = 5


class PartialFactor(eqx.Module):
    """F (N, ℓ) with K ≈ F Fᵀ, as blocks of columns.

    `rest` (N,) is the diagonal of K − F Fᵀ, not negative, `scale` the largest entry of that of K.
    """

    blocks: tuple[Array, ...]
    rest: Array
    scale: Array

    def forward(self, short: Array) -> Array:
        """F h (N,)."""
        total = jnp.zeros_like(self.rest)
        start = 0
        for block in self.blocks:
            total = total + block @ short[start : start + block.shape[1]]
            start += block.shape[1]
        return total

    def transpose(self, vector: Array) -> Array:
        """Fᵀ v (ℓ,)."""
        # A vector from the left reads F by rows; a product with Fᵀ takes XLA tenfold the time.
        return jnp.concatenate([vector @ block for block in self.blocks])

    def squares(self) -> list[Array]:
        """FᵀF as panels of its lower triangle."""
        return [
            jnp.concatenate([block.T @ other for other in self.blocks[: k + 1]], axis=1)
            for k, block in enumerate(self.blocks)
        ]


def no_factor(rows: GramRows) -> PartialFactor:
    """The factor of rank 0."""
    diagonal = rows.diagonal()
    return PartialFactor((), diagonal, jnp.max(diagonal))


def extend(rows: GramRows, factor: PartialFactor, count: int, key: Array) -> PartialFactor:
    """F with `count` further columns, from samples drawn in proportion to the residual diagonal."""
    rest = factor.rest
    # The largest of log d + Gumbel noise are a draw without replacement (T. Vieira, 2014).
    smallest = jnp.finfo(rest.dtype).tiny
    scores = jnp.log(jnp.maximum(rest, smallest)) + jax.random.gumbel(key, rest.shape, rest.dtype)
    numbers, columns = rows.landmarks(scores, count)
    for known in factor.blocks:
        columns = columns - known @ known[numbers].T
    block = columns[numbers]
    # Entries of K − F Fᵀ are off by rounding errors of K, however small they are themselves.
    noise = factor.scale * count * jnp.finfo(rest.dtype).eps
    lower = _cholesky(0.5 * (block + block.T), noise)
    added = jax.lax.linalg.triangular_solve(
        lower, columns, left_side=False, lower=True, transpose_a=True
    )
    # Without a factor there is nothing to add, and nothing to break.
    added = jnp.where(jnp.all(jnp.isfinite(added)), added, 0.0)
    rest = jnp.maximum(rest - jnp.sum(added**2, axis=1), 0.0).at[numbers].set(0.0)
    return PartialFactor((*factor.blocks, added), rest, factor.scale)


def _cholesky(block: Array, noise: Array) -> Array:
    """L of a block that may be singular: a jitter of the noise in it, raised while that fails."""
    unit = jnp.eye(block.shape[0], dtype=block.dtype)

    def goes_on(carry: tuple[Array, Array, Array]) -> Array:
        return ~jnp.all(jnp.isfinite(carry[0])) & (carry[2] < MOST_REPAIRS)

    def again(carry: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        _, jitter, tries = carry
        return jnp.linalg.cholesky(block + jitter * unit), 100.0 * jitter, tries + 1

    start = (jnp.full_like(block, jnp.nan), noise, jnp.zeros((), jnp.int32))
    return jax.lax.while_loop(goes_on, again, start)[0]


class LandmarkPreconditioner(eqx.Module):
    """r → (F Fᵀ + μI)⁻¹ r, with the factor of FᵀF + μI."""

    outer: PartialFactor
    inner: Factor
    shift: Array

    def __call__(self, vector: Array) -> Array:
        short = self.inner.solve(self.outer.transpose(vector))
        return (vector - self.outer.forward(short)) / self.shift


def landmark_preconditioner(factor: PartialFactor, shift: Array) -> LandmarkPreconditioner:
    """From F and μ; a μ that rounding would lose is raised, here alone."""
    squares = factor.squares()
    size = sum(jnp.trace(panel[:, -panel.shape[0] :]) for panel in squares)
    least = jnp.asarray(LEAST_SHIFT * jnp.finfo(shift.dtype).eps * size, shift.dtype)
    shift = jnp.maximum(shift, least)
    return LandmarkPreconditioner(factor, factorise(squares, shift), shift)


class GaussianPreconditioner(eqx.Module):
    """r → r + U ((λ_ℓ + μ)/(Λ + μ) − 1) Uᵀ r; `values` fall."""

    vectors: Array
    values: Array
    shift: Array

    def __call__(self, vector: Array) -> Array:
        weight = (self.values[-1] + self.shift) / (self.values + self.shift) - 1.0
        return vector + self.vectors @ (weight * (vector @ self.vectors))


def gaussian_nystrom(rows: Rows, parameters: int, rank: int, key: Array) -> tuple[Array, Array]:
    """U (p, ℓ) and Λ (ℓ,), falling, of M = JᵀJ, from ℓ products with M."""
    kind = rows.dtype
    directions, _ = jnp.linalg.qr(jax.random.normal(key, (parameters, rank), kind))
    images = jax.lax.map(lambda v: rows.transpose(rows.forward(v)), directions.T).T
    shift = jnp.sqrt(jnp.asarray(parameters, kind)) * jnp.finfo(kind).eps * jnp.linalg.norm(images)
    images = images + shift * directions
    inner = directions.T @ images
    lower = _cholesky(0.5 * (inner + inner.T), jnp.finfo(kind).eps * jnp.trace(inner))
    half = jax.lax.linalg.triangular_solve(
        lower, images, left_side=False, lower=True, transpose_a=True
    )
    vectors, roots, _ = jnp.linalg.svd(half, full_matrices=False)
    return vectors, jnp.maximum(roots**2 - shift, 0.0)
