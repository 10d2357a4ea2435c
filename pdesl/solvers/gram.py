"""Cholesky factors of K + μI from panels of rows: half the memory, products in place of loops.

The lower triangle of K is held as panels K[i, :i+1] of `block` rows. Row by row of blocks,

    L_ij = (K_ij − Σ_{k<j} L_ik L_jkᵀ) L_jj⁻ᵀ,   L_ii L_iiᵀ = K_ii − Σ_{k<i} L_ik L_ikᵀ,

so that nearly all operations are products of matrices, which XLA does several times faster than
the factorisation of a whole matrix. A pivot that is not positive leaves NaN in the factors;
`Factor.ok` says so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from importlib import import_module
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array
from threadpoolctl import threadpool_limits

__all__ = ["Factor", "factorise", "one_blas_thread", "panels_of"]

#: Rows of a panel.
PANEL = 512


class Factor(eqx.Module):
    """L of L Lᵀ = K + μI, as panels L[i, :i+1] of shape (rows, columns up to the diagonal)."""

    panels: tuple[Array, ...]

    @property
    def ok(self) -> Array:
        """Whether every pivot was positive."""
        return jnp.all(jnp.isfinite(self.diagonal()))

    def diagonal(self) -> Array:
        """The diagonal of L."""
        return jnp.concatenate([jnp.diagonal(panel[:, -panel.shape[0] :]) for panel in self.panels])

    def solve(self, right: Array) -> Array:
        """(L Lᵀ)⁻¹ b for b (N,) or (N, m)."""
        return self.backward(self.forward(right))

    def forward(self, right: Array) -> Array:
        """L⁻¹ b."""
        parts: list[Array] = []
        for panel, b in zip(self.panels, self._split(right), strict=True):
            known = panel.shape[1] - panel.shape[0]
            if parts:
                b = b - panel[:, :known] @ jnp.concatenate(parts)
            parts.append(_triangular(panel[:, known:], b))
        return jnp.concatenate(parts)

    def backward(self, right: Array) -> Array:
        """L⁻ᵀ b."""
        rest = right
        parts: list[Array] = []
        for panel in reversed(self.panels):
            known = panel.shape[1] - panel.shape[0]
            x = _triangular(panel[:, known:], rest[known:], transposed=True)
            parts.append(x)
            rest = rest[:known] - panel[:, :known].T @ x
        return jnp.concatenate(parts[::-1])

    def _split(self, right: Array) -> list[Array]:
        stops = [panel.shape[1] for panel in self.panels]
        return jnp.split(right, stops[:-1])


def one_blas_thread() -> AbstractContextManager[Any]:
    """Within it LAPACK works on one thread, and XLA's products on as many as it likes.

    Threads of OpenBLAS and of XLA on the same cores wait for each other: on 2 cores, the factor of
    a matrix of 256 rows took 109 ms beside 0.4 ms.
    """
    # JAX loads this library at its first factorisation: what is not loaded cannot be limited.
    import_module("scipy.linalg.cython_lapack")
    return threadpool_limits(1, user_api="blas")


def panels_of(panel: Callable[[int, int], Array], count: int, block: int = PANEL) -> list[Array]:
    """Panels K[i:j, :j] of a symmetric matrix of `count` rows; `panel(i, j)` gives one."""
    return [panel(i, min(i + block, count)) for i in range(0, count, block)]


def factorise(panels: Sequence[Array], shift: Array) -> Factor:
    """The factor of K + shift·I from panels K[i:j, :j]; entries above the diagonal are not read."""
    done: list[Array] = []
    for panel in panels:
        rows = panel.shape[0]
        row: list[Array] = []
        start = 0
        for above in done:
            height = above.shape[0]
            entry = panel[:, start : start + height]
            if row:
                entry = entry - jnp.concatenate(row, axis=1) @ above[:, :start].T
            row.append(_right_solve(above[:, start:], entry))
            start += height
        corner = panel[:, start:] + shift * jnp.eye(rows, dtype=panel.dtype)
        if row:
            left = jnp.concatenate(row, axis=1)
            corner = corner - left @ left.T
            done.append(jnp.concatenate([left, jnp.linalg.cholesky(corner)], axis=1))
        else:
            done.append(jnp.linalg.cholesky(corner))
    return Factor(tuple(done))


def _triangular(lower: Array, right: Array, *, transposed: bool = False) -> Array:
    solve: Any = jax.scipy.linalg.solve_triangular
    return solve(lower, right, lower=True, trans=1 if transposed else 0)


def _right_solve(lower: Array, right: Array) -> Array:
    """B L⁻ᵀ."""
    return jax.lax.linalg.triangular_solve(
        lower, right, left_side=False, lower=True, transpose_a=True
    )
