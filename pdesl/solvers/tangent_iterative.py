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
from pdesl.solvers.tangent_direct import (
    coarser,
    lanczos_largest,
    largest_eigenvalue,
    refined,
    trace_of_influence,
)
from pdesl.solvers.tangent_options import LANDMARK_RANKS, TangentOptions
from pdesl.solvers.tangent_report import BREAKDOWN, CONVERGED, NOT_CONVERGED, Found

__all__ = ["solve_gaussian", "solve_landmarks", "solve_plain"]

# Directions of the preconditioner where none are asked for (Finzi et al., appendix C: 200 to 350).
GAUSSIAN_RANK = 300
# Iterations that were needed as a part of Chebyshev's bound: a third to a half, since the
# eigenvalues of the remainder fall off.
OF_THE_BOUND = 0.5
# Products by which what landmarks leave is estimated.
REMAINDER_STEPS = 3
# Operations a second of products with J, with vectors and of matrices, relative to each other.
PRODUCT_SPEED, VECTOR_SPEED, MATRIX_SPEED = 40.0, 5.0, 50.0


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
    vectors, values = gaussian_nystrom(coarser(rows, options), parameters, rank, key)
    precondition = GaussianPreconditioner(vectors, values, options.regularisation * values[0])
    values = values.astype(right.dtype)
    largest = values[0]
    shift = options.regularisation * largest
    result = refined(
        lambda v: rows.transpose(rows.forward(v)) + shift * v,
        gradient, precondition, vectors.dtype,
        tolerance=options.tolerance, iterations=options.iterations,
    )  # fmt: skip
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
    coarse = coarser(rows, options)
    ranks = _ranks(rows.count, options)
    first, probe, *keys = jax.random.split(key, len(ranks) + 2)
    whole = jnp.linalg.norm(rows.transpose(right))
    parameters = jax.eval_shape(rows.transpose, right).shape[0]

    def finish(factor: PartialFactor) -> Found:
        precondition = landmark_preconditioner(factor, shift.astype(coarse.dtype))
        result = refined(
            lambda a: rows.forward(rows.transpose(a)) + shift * a,
            right, precondition, coarse.dtype,
            tolerance=options.tolerance, iterations=options.iterations,
            measure=lambda r: jnp.linalg.norm(rows.transpose(r)) / _positive(whole),
        )  # fmt: skip
        inner = precondition.inner
        rank = inner.panels[-1].shape[1]
        return Found(
            direction=rows.transpose(result.solution),
            largest=largest,
            regularisation=shift,
            condition=(largest + shift) / jnp.min(inner.diagonal() ** 2).astype(right.dtype),
            effective_dimension=trace_of_influence(
                inner, rank, precondition.shift, coarse.dtype, probe
            ).astype(right.dtype),
            rank=jnp.asarray(rank, jnp.int32),
            iterations=result.iterations,
            status=_status(result),
        )

    def go(stage: int, factor: PartialFactor) -> Found:
        if stage == len(ranks) - 1:
            return finish(factor)

        def further(factor: PartialFactor) -> Found:
            count = ranks[stage + 1] - ranks[stage]
            return go(stage + 1, extend(coarse, factor, count, keys[stage]))

        if options.rank is not None:
            return further(factor)
        remainder = _remainder(coarse, factor, keys[stage])
        bound = 0.5 * jnp.sqrt(1.0 + remainder / shift) * log(2.0 / options.tolerance)
        needed = OF_THE_BOUND * bound
        worth = _iterations_worth(rows, parameters, ranks[stage], ranks[stage + 1])
        return jax.lax.cond(needed > worth, further, finish, factor)

    factor = extend(coarse, no_factor(coarse), ranks[0], first)
    # λ₁ of F Fᵀ falls short of that of K by no more than what the landmarks leave.
    largest = jnp.linalg.eigvalsh(factor.squares()[0])[-1].astype(right.dtype)
    shift = options.regularisation * largest
    return go(0, factor)


def _ranks(rows: int, options: TangentOptions) -> list[int]:
    """Ranks at which the number of landmarks is looked at; the last is the most."""
    if options.rank is not None:
        most = min(options.rank, rows)
    else:
        fits = int(options.memory * 2.0**30 / (3.0 * 8.0 * rows))
        most = max(1, min(rows, fits, LANDMARK_RANKS[-1]))
    return [rank for rank in LANDMARK_RANKS if rank < most] + [most]


def _iterations_worth(rows: GramRows, parameters: int, rank: int, following: int) -> float:
    """Iterations of conjugate gradients that take as long as going on to the following rank."""
    count, more = rows.count, following - rank
    iteration = 4.0 * count * parameters / PRODUCT_SPEED + 4.0 * count * rank / VECTOR_SPEED
    columns = more * rows.column_cost
    # Products with the columns known so far, a triangular solve, and the new part of FᵀF.
    added = count * (2.0 * more * rank + more**2 + 2.0 * more * following)
    return (columns + added) / MATRIX_SPEED / iteration


def _remainder(rows: GramRows, factor: PartialFactor, key: Array) -> Array:
    """The largest eigenvalue of K − F Fᵀ, from below."""
    start = jnp.sqrt(factor.rest) * jax.random.normal(key, factor.rest.shape, factor.rest.dtype)

    def product(vector: Array) -> Array:
        return rows.forward(rows.transpose(vector)) - factor.forward(factor.transpose(vector))

    return jnp.maximum(lanczos_largest(product, start, REMAINDER_STEPS), 0.0)


def _positive(value: Array) -> Array:
    return jnp.maximum(value, jnp.finfo(value.dtype).tiny)


def _status(result: ConjugateResult) -> Array:
    ended = jnp.where(result.converged, CONVERGED, NOT_CONVERGED)
    return jnp.where(result.broken, BREAKDOWN, ended).astype(jnp.int32)
