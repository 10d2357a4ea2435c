"""Matrix-free linear algebra on batches of states: GMRES and Arnoldi factorisations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

__all__ = ["arnoldi", "gmres"]

# Vectors of a cycle of GMRES, and cycles.
RESTART = 30
CYCLES = 10
# The stopping test, as a multiple of the rounding unit, where none is given.
LEAST = 50.0


def gmres(
    apply: Callable[[Array], Array],
    right: Array,
    precondition: Callable[[Array], Array] | None = None,
    tolerance: float | None = None,
) -> tuple[Array, Array]:
    """x with A x = r, and the number of products with A.

    Restarted GMRES with right preconditioning and Givens rotations on the whole array as one
    vector (Y. Saad, *Iterative Methods for Sparse Linear Systems*, 2003, algorithms 6.9 and 9.5).
    Not a number where the residual stays above 1,000 times the tolerance.

    Args:
        apply: linear, from arrays like `right` to the same.
        tolerance: of ‖r − A x‖/‖r‖; by default a small multiple of the rounding unit.
    """
    first = precondition if precondition is not None else lambda v: v
    unit = float(jnp.finfo(right.dtype).eps)
    tolerance = LEAST * unit if tolerance is None else max(tolerance, LEAST * unit)
    size = min(RESTART, right.size)
    target = tolerance * jnp.linalg.norm(right)
    axes = tuple(range(1, right.ndim + 1))

    def cycle(carry: Any) -> Any:
        x, residual, count, cycles = carry
        beta = jnp.linalg.norm(residual)
        basis = jnp.zeros((size + 1, *right.shape), right.dtype)
        basis = basis.at[0].set(residual / jnp.where(beta > 0, beta, 1))
        # Unused columns of the triangle stay those of the identity.
        triangle = jnp.eye(size, dtype=right.dtype)
        known = jnp.zeros(size + 1, right.dtype).at[0].set(beta)
        rotations = jnp.zeros((size, 2), right.dtype)

        def grow(inner: Any) -> Any:
            k, basis, triangle, known, rotations = inner
            w = apply(first(basis[k]))
            column = jnp.zeros(size + 1, right.dtype)
            for _ in range(2):
                part = jnp.sum(basis * w, axis=axes)
                w = w - jnp.tensordot(part, basis, axes=1)
                column = column + part
            length = jnp.linalg.norm(w)
            basis = basis.at[k + 1].set(w / jnp.where(length > 0, length, 1))
            column = column.at[k + 1].set(length)

            def rotate(j: Any, h: Array) -> Array:
                c, s = rotations[j]
                return h.at[j].set(c * h[j] + s * h[j + 1]).at[j + 1].set(c * h[j + 1] - s * h[j])

            column = jax.lax.fori_loop(0, k, rotate, column)
            radius = jnp.hypot(column[k], column[k + 1])
            radius = jnp.where(radius > 0, radius, 1)
            c, s = column[k] / radius, column[k + 1] / radius
            rotations = rotations.at[k].set(jnp.stack([c, s]))
            column = column.at[k].set(radius).at[k + 1].set(0)
            triangle = triangle.at[:, k].set(column[:size])
            known = known.at[k + 1].set(-s * known[k]).at[k].set(c * known[k])
            return k + 1, basis, triangle, known, rotations

        def unfinished(inner: Any) -> Array:
            k, _, _, known, _ = inner
            return (k < size) & (jnp.abs(known[k]) > target)

        k, basis, triangle, known, _ = jax.lax.while_loop(
            unfinished, grow, (0, basis, triangle, known, rotations)
        )
        weights = jnp.where(jnp.arange(size) < k, known[:size], 0)
        weights = jax.scipy.linalg.solve_triangular(triangle, weights)
        x = x + first(jnp.tensordot(weights, basis[:size], axes=1))
        return x, right - apply(x), count + k + 1, cycles + 1

    def unfinished(carry: Any) -> Array:
        _, residual, _, cycles = carry
        return (jnp.linalg.norm(residual) > 2 * target) & (cycles < CYCLES)

    start = jnp.zeros_like(right), right, jnp.zeros((), right.dtype), 0
    x, residual, count, _ = jax.lax.while_loop(unfinished, cycle, start)
    failed = ~(jnp.linalg.norm(residual) <= 1000 * target)
    return jnp.where(failed, jnp.nan, x), count


def arnoldi(apply: Callable[[Array], Array], start: Array, size: int) -> tuple[Array, Array, Array]:
    """Bases and Hessenberg matrices of Krylov spaces, one for every row of (batch, n).

    With V the basis (size, batch, n), A V = V H apart from the last vector; differentiable.

    Args:
        apply: row i of the result is A_i times row i.

    Returns:
        norms (batch,) of the rows, V, and H (batch, size, size).
    """
    norms = jnp.linalg.norm(start, axis=1)
    tiny = float(jnp.finfo(start.dtype).eps)
    first = start / jnp.where(norms > 0, norms, 1)[:, None]
    basis = jnp.zeros((size + 1, *start.shape), start.dtype).at[0].set(first)

    def grow(basis: Array, k: Array) -> tuple[Array, Array]:
        w = apply(basis[k])
        scale = jnp.sum(w * w, axis=1)
        column = jnp.zeros((size + 1, len(start)), start.dtype)
        for _ in range(2):
            part = jnp.einsum("kbn,bn->kb", basis, w)
            w = w - jnp.einsum("kb,kbn->bn", part, basis)
            column = column + part
        square = jnp.sum(w * w, axis=1)
        # Where the space is exhausted, further vectors are zero and take no part.
        alive = square > (100 * tiny) ** 2 * scale
        length = jnp.sqrt(jnp.where(alive, square, 1))
        new = jnp.where(alive[:, None], w / length[:, None], 0)
        return basis.at[k + 1].set(new), column.at[k + 1].set(jnp.where(alive, length, 0))

    basis, columns = jax.lax.scan(grow, basis, jnp.arange(size))
    return norms, basis[:size], jnp.transpose(columns[:, :size], (2, 1, 0))
