"""The velocity of parameters by a factored matrix, over samples or over parameters.

Where rounding leaves no positive pivot (μ near or below ε λ₁) the shift is raised tenfold until
the factorisation stands; the report then has the status REPAIRED and the μ that was used.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from pdesl.solvers.conjugate_gradients import ConjugateResult, conjugate_gradients
from pdesl.solvers.gram import Factor, factorise, panels_of
from pdesl.solvers.tangent import GramRows, Rows
from pdesl.solvers.tangent_options import TangentOptions
from pdesl.solvers.tangent_report import BREAKDOWN, CONVERGED, NOT_CONVERGED, REPAIRED, Found

__all__ = [
    "coarser",
    "lanczos_largest",
    "largest_eigenvalue",
    "refined",
    "solve_dense",
    "solve_gram",
    "trace_of_influence",
]

# Products with JJᵀ by which its largest eigenvalue is estimated.
LANCZOS_STEPS = 8
# Vectors by which a trace is estimated.
PROBES = 8
# How often the shift of a factorisation is raised.
MOST_REPAIRS = 8
# Residual at which the refinement of a coarse factor ends, and the most of its products.
REFINED, MOST_REFINEMENTS = 1e-11, 200

AnyRows = TypeVar("AnyRows", bound=Rows)


class _Attempt(eqx.Module):
    factor: Factor
    shift: Array
    repairs: Array
    ok: Array


def solve_gram(rows: Rows, right: Array, options: TangentOptions, key: Array) -> Found:
    """v = Jᵀ(K + μI)⁻¹ f with K = JJᵀ in panels of its lower triangle, factored."""
    assert isinstance(rows, GramRows)
    power, probe = jax.random.split(key)
    coarse = coarser(rows, options)
    largest = largest_eigenvalue(rows, power)
    shift = (options.regularisation * largest).astype(coarse.dtype)
    panels = panels_of(coarse.panel, rows.count)
    attempt = _factorise(panels, shift, largest, options.mixed)
    wanted = options.regularisation * largest
    if options.mixed:
        result = refined(
            lambda a: rows.forward(rows.transpose(a)) + wanted * a,
            right, attempt.factor.solve, coarse.dtype,
        )  # fmt: skip
        direction = rows.transpose(result.solution)
        return _refined(direction, result, attempt, largest, wanted, rows.count, probe)
    factor, shift = attempt.factor, attempt.shift
    weights = factor.solve(right)
    # One step of refinement with products that see J instead of the rounded K.
    rest = right - rows.forward(rows.transpose(weights)) - shift * weights
    weights = weights + factor.solve(rest)
    return _found(rows.transpose(weights), attempt, largest, rows.count, right.dtype, probe)


def solve_dense(rows: Rows, right: Array, options: TangentOptions, key: Array) -> Found:
    """v = (JᵀJ + μI)⁻¹ Jᵀ f with the matrix of the parameters, factored."""
    power, probe = jax.random.split(key)
    coarse = coarser(rows, options)
    largest = largest_eigenvalue(rows, power)
    shift = (options.regularisation * largest).astype(coarse.dtype)
    panels = coarse.normal_panels()
    size = panels[-1].shape[1]
    attempt = _factorise(panels, shift, largest, options.mixed)
    gradient = rows.transpose(right)
    wanted = options.regularisation * largest
    if options.mixed:
        result = refined(
            lambda v: rows.transpose(rows.forward(v)) + wanted * v,
            gradient, attempt.factor.solve, coarse.dtype,
        )  # fmt: skip
        return _refined(result.solution, result, attempt, largest, wanted, size, probe)
    direction = attempt.factor.solve(gradient)
    rest = rows.transpose(right - rows.forward(direction)) - attempt.shift * direction
    direction = direction + attempt.factor.solve(rest)
    return _found(direction, attempt, largest, size, right.dtype, probe)


def coarser(rows: AnyRows, options: TangentOptions) -> AnyRows:
    """Rows in float32 where precision is mixed, else as they are."""
    if not options.mixed:
        return rows
    return jax.tree.map(lambda leaf: leaf.astype(jnp.float32), rows)


def refined(
    product: Callable[[Array], Array],
    right: Array,
    solve: Callable[[Array], Array],
    coarse: jnp.dtype,
    *,
    tolerance: float = REFINED,
    iterations: int = MOST_REFINEMENTS,
    measure: Callable[[Array], Array] | None = None,
) -> ConjugateResult:
    """Conjugate gradients in the precision of `right`, preconditioned by a solve in a coarser one.

    Products see the rows in full, so that the solution is as good as if everything were; the
    coarser solve tells only how many there are. A residual is scaled before it is rounded: at
    the end it would vanish in float32.
    """

    if right.dtype == coarse:
        return conjugate_gradients(
            product, right, solve, tolerance=tolerance, iterations=iterations, measure=measure
        )

    def precondition(residual: Array) -> Array:
        size = jnp.sqrt(residual @ residual)
        unit = jnp.where(size > 0.0, size, 1.0)
        return unit * solve((residual / unit).astype(coarse)).astype(residual.dtype)

    return conjugate_gradients(
        product, right, precondition, tolerance=tolerance, iterations=iterations, measure=measure
    )


def _refined(
    direction: Array, result: ConjugateResult, attempt: _Attempt, largest: Array, shift: Array,
    size: int, key: Array,
) -> Found:  # fmt: skip
    """What a coarse factor with its refinement found: its own shift may be a larger one."""
    dtype = direction.dtype
    found = _found(direction, attempt, largest, size, attempt.shift.dtype, key)
    ended = jnp.where(result.converged, CONVERGED, NOT_CONVERGED)
    status = jnp.where(attempt.ok & ~result.broken, ended, BREAKDOWN).astype(jnp.int32)
    return eqx.tree_at(
        lambda f: (f.regularisation, f.iterations, f.status),
        jax.tree.map(
            lambda leaf: leaf.astype(dtype) if jnp.issubdtype(leaf.dtype, jnp.inexact) else leaf,
            found,
        ),
        (shift, result.iterations, status),
    )


def _factorise(panels: list[Array], shift: Array, largest: Array, refined: bool) -> _Attempt:
    """The factor of K + shift·I, or of the first larger shift for which there is one."""
    dtype = panels[0].dtype
    # Weights of what no direction reaches grow as 1/μ, and Jᵀ of them is lost to ε/μ, unless they
    # are refined.
    least = (0.0 if refined else 1e4) * jnp.finfo(dtype).eps * largest.astype(dtype)

    def goes_on(attempt: _Attempt) -> Array:
        return ~attempt.ok & (attempt.repairs < MOST_REPAIRS) & jnp.isfinite(attempt.shift)

    def again(attempt: _Attempt) -> _Attempt:
        raised = jnp.maximum(10.0 * attempt.shift, least)
        used = jnp.where(attempt.repairs < 0, attempt.shift, raised)
        factor = factorise(panels, used)
        return _Attempt(factor, used, attempt.repairs + 1, factor.ok)

    start = _Attempt(Factor(tuple(panels)), shift, jnp.full((), -1, jnp.int32), jnp.zeros((), bool))
    return jax.lax.while_loop(goes_on, again, start)


def _found(
    direction: Array, attempt: _Attempt, largest: Array, size: int, dtype: jnp.dtype, key: Array
) -> Found:
    pivots = attempt.factor.diagonal() ** 2
    status = jnp.where(attempt.repairs > 0, REPAIRED, CONVERGED)
    return Found(
        direction=direction,
        largest=largest,
        regularisation=attempt.shift,
        condition=(largest + attempt.shift) / jnp.min(pivots),
        effective_dimension=trace_of_influence(attempt.factor, size, attempt.shift, dtype, key),
        rank=jnp.asarray(size, jnp.int32),
        iterations=jnp.zeros((), jnp.int32),
        status=jnp.where(attempt.ok, status, BREAKDOWN).astype(jnp.int32),
    )


def largest_eigenvalue(rows: Rows, key: Array) -> Array:
    """λ₁ of JᵀJ, from below."""
    start = jax.random.normal(key, (rows.count,), rows.dtype)
    return lanczos_largest(lambda v: rows.forward(rows.transpose(v)), start, LANCZOS_STEPS)


def lanczos_largest(product: Callable[[Array], Array], start: Array, steps: int) -> Array:
    """The largest eigenvalue of a symmetric A on its Krylov space of so many vectors.

    Lanczos' method with full orthogonalisation: for the same products as the power method it
    also tells eigenvalues apart that are near each other.
    """
    tiny = jnp.finfo(start.dtype).tiny

    def step(number: Array, carry: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        basis, images, vector = carry
        for _ in range(2):
            vector = vector - (basis @ vector) @ basis
        unit = vector / jnp.maximum(jnp.sqrt(vector @ vector), tiny)
        image = product(unit)
        return basis.at[number].set(unit), images.at[number].set(image), image

    empty = jnp.zeros((steps, start.size), start.dtype)
    basis, images, _ = jax.lax.fori_loop(0, steps, step, (empty, empty, start))
    small = jnp.einsum("in,jn->ij", basis, images)
    return jnp.linalg.eigvalsh(0.5 * (small + small.T))[-1]


def trace_of_influence(
    factor: Factor, size: int, shift: Array, dtype: jnp.dtype, key: Array
) -> Array:
    """Estimate of Σ λ/(λ + μ) = N − μ tr (K + μI)⁻¹ by random signs (M. F. Hutchinson, 1990)."""
    signs = jax.random.rademacher(key, (size, PROBES), dtype)
    # ‖L⁻¹ z‖² = zᵀ (K + μI)⁻¹ z.
    return size - shift * jnp.sum(factor.forward(signs) ** 2) / PROBES
