"""Preconditioned conjugate gradients with a test of convergence of the caller's choice.

Source: M. R. Hestenes and E. Stiefel, "Methods of conjugate gradients for solving linear systems",
1952, with a symmetric preconditioner.
"""

from __future__ import annotations

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

__all__ = ["ConjugateResult", "conjugate_gradients"]

# The caller's measure is asked for at least every so many iterations.
CHECK_EVERY = 20


class ConjugateResult(eqx.Module):
    """x, its recursive residual, iterations, whether it converged, whether a step broke down."""

    solution: Array
    residual: Array
    iterations: Array
    converged: Array
    broken: Array


class _State(eqx.Module):
    solution: Array
    residual: Array
    search: Array
    product: Array
    iteration: Array
    ratio: Array
    checked: Array
    converged: Array
    broken: Array


def conjugate_gradients(
    product: Callable[[Array], Array],
    right: Array,
    precondition: Callable[[Array], Array],
    *,
    tolerance: float,
    iterations: int,
    measure: Callable[[Array], Array] | None = None,
) -> ConjugateResult:
    """Solve A x = b from x = 0, A symmetric and positive definite.

    Args:
        product: v → A v.
        precondition: v → P⁻¹ v.
        tolerance: iterations end where the measure falls to it.
        iterations: the most of them.
        measure: residual → its relative size; without, ‖r‖/‖b‖. It is evaluated where ‖r‖/‖b‖,
            times its ratio to the measure when last evaluated, suggests convergence, and every
            20 iterations: it may cost a part of a product.
    """
    whole = jnp.sqrt(right @ right)
    unit = jnp.where(whole > 0.0, whole, 1.0)

    def goes_on(state: _State) -> Array:
        return ~state.converged & ~state.broken & (state.iteration < iterations)

    def step(state: _State) -> _State:
        image = product(state.search)
        curvature = state.search @ image
        length = state.product / curvature
        solution = state.solution + length * state.search
        residual = state.residual - length * image
        preconditioned = precondition(residual)
        inner = residual @ preconditioned
        search = preconditioned + (inner / state.product) * state.search
        size = jnp.sqrt(residual @ residual) / unit
        broken = ~((curvature > 0.0) & (inner >= 0.0) & jnp.isfinite(size))
        count = state.iteration + 1
        if measure is None:
            return _State(
                solution, residual, search, inner, count, state.ratio, state.checked,
                (size <= tolerance) & ~broken, broken,
            )  # fmt: skip
        due = (size * state.ratio <= tolerance) | (count - state.checked >= CHECK_EVERY)
        value = jax.lax.cond(due, measure, lambda _: size * state.ratio, residual)
        return _State(
            solution,
            residual,
            search,
            inner,
            count,
            jnp.where(due, value / jnp.maximum(size, jnp.finfo(size.dtype).tiny), state.ratio),
            jnp.where(due, count, state.checked),
            due & (value <= tolerance) & ~broken,
            broken,
        )

    first = precondition(right)
    start = _State(
        solution=jnp.zeros_like(right),
        residual=right,
        search=first,
        product=right @ first,
        iteration=jnp.zeros((), jnp.int32),
        ratio=jnp.ones((), right.dtype),
        checked=jnp.zeros((), jnp.int32),
        converged=whole == 0.0,
        broken=~jnp.isfinite(whole),
    )
    end = jax.lax.while_loop(goes_on, step, start)
    # A step that broke down has left its trace in the solution only if it was not finite.
    return ConjugateResult(end.solution, end.residual, end.iteration, end.converged, end.broken)
