"""The velocity of parameters by conjugate gradients, plain and preconditioned."""

from __future__ import annotations

from math import log

import jax
import jax.numpy as jnp
from jax import Array

from pdesl.solvers.conjugate_gradients import ConjugateResult, conjugate_gradients
from pdesl.solvers.nystrom import (
    GaussianPreconditioner,
    PartialFactor,
    extend,
    gaussian_nystrom,
    landmark_preconditioner,
    no_factor,
)
from pdesl.solvers.tangent import GramRows, Rows
from pdesl.solvers.tangent_direct import largest_eigenvalue, trace_of_influence
from pdesl.solvers.tangent_options import LANDMARK_RANKS, TangentOptions
from pdesl.solvers.tangent_report import BREAKDOWN, CONVERGED, NOT_CONVERGED, Found

__all__ = ["solve_gaussian", "solve_landmarks", "solve_plain"]

# Directions of the preconditioner where none are asked for (Finzi et al., appendix C: 200 to 350).
GAUSSIAN_RANK = 300
# Operations a second of products with J, with vectors and of matrices, relative to each other.
PRODUCT_SPEED, VECTOR_SPEED, MATRIX_SPEED = 40.0, 8.0, 60.0


def solve_plain(rows: Rows, right: Array, options: TangentOptions, key: Array) -> Found:
    """(JᵀJ + μI) v = Jᵀ f by conjugate gradients over the parameters."""
    largest = largest_eigenvalue(rows, key)
    shift = options.regularisation * largest
    gradient = rows.transpose(right)
    result = conjugate_gradients(
        lambda v: rows.transpose(rows.forward(v)) + shift * v,
        gradient,
        lambda v: v,
        tolerance=options.tolerance,
        iterations=options.iterations,
    )
    unknown = jnp.full((), jnp.nan, right.dtype)
    return Found(
        direction=result.solution,
        largest=largest,
        regularisation=shift,
        condition=(largest + shift) / jnp.maximum(shift, jnp.finfo(right.dtype).tiny),
        effective_dimension=unknown,
        rank=jnp.zeros((), jnp.int32),
        iterations=result.iterations,
        status=_status(result),
    )


def solve_gaussian(rows: Rows, right: Array, options: TangentOptions, key: Array) -> Found:
    """(JᵀJ + μI) v = Jᵀ f, preconditioned from random directions (Neural-IVP, section 4.2)."""
    gradient = rows.transpose(right)
    parameters = gradient.shape[0]
    rank = min(options.rank or GAUSSIAN_RANK, parameters)
    vectors, values = gaussian_nystrom(rows, parameters, rank, key)
    largest = values[0]
    shift = options.regularisation * largest
    result = conjugate_gradients(
        lambda v: rows.transpose(rows.forward(v)) + shift * v,
        gradient,
        GaussianPreconditioner(vectors, values, shift),
        tolerance=options.tolerance,
        iterations=options.iterations,
    )
    return Found(
        direction=result.solution,
        largest=largest,
        regularisation=shift,
        condition=(largest + shift) / _positive(values[-1] + shift),
        effective_dimension=jnp.sum(values / _positive(values + shift)),
        rank=jnp.asarray(rank, jnp.int32),
        iterations=result.iterations,
        status=_status(result),
    )


def solve_landmarks(rows: Rows, right: Array, options: TangentOptions, key: Array) -> Found:
    """v = Jᵀ α with (JJᵀ + μI) α = f over the samples, preconditioned from landmarks.

    With no rank given, landmarks are added, doubling their number, while the iterations that the
    largest eigenvalue of the remainder lets expect would take longer than the next landmarks.
    """
    assert isinstance(rows, GramRows)
    ranks = _ranks(rows.count, options)
    first, *keys = jax.random.split(key, len(ranks) + 2)
    whole = jnp.linalg.norm(rows.transpose(right))
    parameters = jax.eval_shape(rows.transpose, right).shape[0]

    def finish(factor: PartialFactor, squares: Array, shift: Array, probe: Array) -> Found:
        precondition = landmark_preconditioner(factor, squares, shift)
        result = conjugate_gradients(
            lambda a: rows.forward(rows.transpose(a)) + shift * a,
            right,
            precondition,
            tolerance=options.tolerance,
            iterations=options.iterations,
            measure=lambda r: jnp.linalg.norm(rows.transpose(r)) / _positive(whole),
        )
        rank = squares.shape[0]
        inner = precondition.inner
        return Found(
            direction=rows.transpose(result.solution),
            largest=largest,
            regularisation=shift,
            condition=(largest + shift) / jnp.min(inner.diagonal() ** 2),
            effective_dimension=trace_of_influence(inner, rank, shift, right.dtype, probe),
            rank=jnp.asarray(rank, jnp.int32),
            iterations=result.iterations,
            status=_status(result),
        )

    def go(stage: int, factor: PartialFactor, squares: Array) -> Found:
        last = stage == len(ranks) - 1
        if last:
            return finish(factor, squares, shift, keys[-1])

        def further(factor: PartialFactor, squares: Array) -> Found:
            count = ranks[stage + 1] - ranks[stage]
            more = extend(rows, factor, count, keys[stage])
            return go(stage + 1, more, more.table.T @ more.table)

        if options.rank is not None:
            return further(factor, squares)
        remainder = _remainder(rows, factor, keys[stage])
        needed = 0.5 * jnp.sqrt(1.0 + remainder / shift) * log(2.0 / options.tolerance)
        worth = _iterations_worth(rows.count, parameters, ranks[stage], ranks[stage + 1])
        return jax.lax.cond(
            needed > worth,
            further,
            lambda f, s: finish(f, s, shift, keys[-1]),
            factor,
            squares,
        )

    factor = extend(rows, no_factor(rows), ranks[0], first)
    squares = factor.table.T @ factor.table
    # λ₁ of F Fᵀ falls short of that of K by less than the remainder, which is far below μ-scale.
    largest = _largest(squares)
    shift = options.regularisation * largest
    return go(0, factor, squares)


def _ranks(rows: int, options: TangentOptions) -> list[int]:
    """Ranks at which the number of landmarks is looked at; the last is the most."""
    if options.rank is not None:
        most = min(options.rank, rows)
    else:
        fits = int(options.memory * 2.0**30 / (3.0 * 8.0 * rows))
        most = max(1, min(rows, fits, LANDMARK_RANKS[-1]))
    return [rank for rank in LANDMARK_RANKS if rank < most] + [most]


def _iterations_worth(rows: int, parameters: int, rank: int, following: int) -> float:
    """Iterations of conjugate gradients that take as long as going on to the following rank."""
    products = 4.0 * rows * parameters / PRODUCT_SPEED + 4.0 * rows * rank / VECTOR_SPEED
    added = 2.0 * rows * (following - rank) * (rank + 0.5 * (following - rank))
    squares = 2.0 * rows * following**2
    return (added + squares + 2.0 * rows * (following - rank) * 800.0) / MATRIX_SPEED / products


def _remainder(rows: GramRows, factor: PartialFactor, key: Array) -> Array:
    """The largest eigenvalue of K − F Fᵀ, from below, by a few steps of the power method."""
    start = jnp.sqrt(factor.rest) * jax.random.normal(key, factor.rest.shape, factor.rest.dtype)

    def step(_: int, carry: tuple[Array, Array]) -> tuple[Array, Array]:
        vector = carry[0]
        unit = vector / _positive(jnp.linalg.norm(vector))
        image = rows.forward(rows.transpose(unit)) - factor.table @ (unit @ factor.table)
        return image, unit @ image

    _, value = jax.lax.fori_loop(0, 4, step, (start, jnp.zeros((), start.dtype)))
    return jnp.maximum(value, 0.0)


def _largest(squares: Array) -> Array:
    """λ₁ of a small matrix by the power method."""

    def step(_: int, carry: tuple[Array, Array]) -> tuple[Array, Array]:
        vector = carry[0]
        unit = vector / _positive(jnp.linalg.norm(vector))
        image = squares @ unit
        return image, unit @ image

    start = (jnp.diagonal(squares), jnp.zeros((), squares.dtype))
    return jax.lax.fori_loop(0, 30, step, start)[1]


def _positive(value: Array) -> Array:
    return jnp.maximum(value, jnp.finfo(value.dtype).tiny)


def _status(result: ConjugateResult) -> Array:
    ended = jnp.where(result.converged, CONVERGED, NOT_CONVERGED)
    return jnp.where(result.broken, BREAKDOWN, ended).astype(jnp.int32)
