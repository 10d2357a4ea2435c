"""One block of quasi-Newton iterations as a pure function, for any memory of curvature.

The block is a loop over iterations around a loop over the evaluations of a line search; the loss
and its gradient stand in it once, so the compiled program stays small.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, Self

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from pdesl.solvers.line_search import FAILED, SEARCHING, LineSearch

__all__ = [
    "MEMORY_FULL",
    "NOT_FINITE",
    "RUNNING",
    "STUCK",
    "CurvatureMemory",
    "QuasiNewtonState",
    "make_block",
    "restarted",
    "start_state",
]

#: Why a block ended: iterations used up, no decrease along the direction, NaN or infinity at the
#: start, no room for a further pair.
RUNNING, STUCK, NOT_FINITE, MEMORY_FULL = 0, 1, 2, 3

#: After so many line searches in a row that met no Wolfe point, the loss is noise at its scale.
MOST_WEAK = 3

Evaluate = Callable[[Array, Any], tuple[Array, Any, Array]]


class CurvatureMemory(Protocol):
    """An approximation H of the inverse Hessian, as a pytree."""

    @property
    def is_full(self) -> Array: ...
    def reset(self) -> Self: ...
    def enlarged(self) -> Self: ...
    def shaped(self, arrays: Mapping[str, Any]) -> Self: ...
    def update(
        self,
        step: Array,
        difference: Array,
        gradient: Array,
        valid: Array,
        *,
        product: Array,
        length: Array,
        previous: Array,
    ) -> tuple[Self, Array]: ...


class QuasiNewtonState(eqx.Module):
    """Everything that one iteration hands to the next.

    `product` is H·gradient, the negative direction; `change` is what the last step added to the
    loss. While `fresh`, the loss at `point` is not
    known yet and the next iteration only evaluates it.
    """

    point: Array
    value: Array
    change: Array
    gradient: Array
    product: Array
    memory: Any
    aux: Any
    best_point: Array
    best_value: Array
    best_aux: Any
    fresh: Array
    unscaled: Array
    weak: Array
    iteration: Array
    evaluations: Array
    status: Array


def start_state(point: Array, memory: Any, aux: Any) -> QuasiNewtonState:
    """The state before the first evaluation; `aux` is a pytree of the loss's auxiliary shape."""
    zero = jnp.zeros_like(point)
    infinite = jnp.full((), jnp.inf, point.dtype)
    counter = jnp.zeros((), jnp.int32)
    copy = jax.tree.map(jnp.array, aux)
    return QuasiNewtonState(
        point=point,
        value=infinite,
        change=jnp.zeros((), point.dtype),
        gradient=zero,
        product=jnp.zeros_like(point),
        memory=memory,
        aux=aux,
        best_point=jnp.array(point),
        best_value=jnp.array(infinite),
        best_aux=copy,
        fresh=jnp.ones((), bool),
        unscaled=jnp.ones((), bool),
        weak=jnp.zeros((), jnp.int32),
        iteration=counter,
        evaluations=jnp.array(counter),
        status=jnp.full((), RUNNING, jnp.int32),
    )


def restarted(state: QuasiNewtonState) -> QuasiNewtonState:
    """The state at its best point with the memory forgotten: the next step is a gradient step."""
    return eqx.tree_at(
        lambda s: (
            s.point, s.memory, s.fresh, s.unscaled, s.status, s.product, s.gradient, s.weak,
        ),
        state,
        (
            jnp.array(state.best_point), state.memory.reset(), jnp.ones((), bool),
            jnp.ones((), bool), jnp.full((), RUNNING, jnp.int32),
            jnp.zeros_like(state.product), jnp.zeros_like(state.gradient),
            jnp.zeros_like(state.weak),
        ),
    )  # fmt: skip


def make_block(
    evaluate: Evaluate, capacity: int
) -> Callable[[QuasiNewtonState, Any, Array], tuple[QuasiNewtonState, Array]]:
    """A function (state, data, stop_at) → (state, records) that iterates up to `stop_at`.

    Args:
        evaluate: (point, data) → (loss, aux, gradient).
        capacity: most iterations of one call.

    Returns:
        The block. records[k] holds loss, gradient norm and number of evaluations so far of
        iteration number (first + k) of the call.
    """

    def search(state: QuasiNewtonState, data: Any) -> tuple[LineSearch, Array, Array, Any]:
        slope = -(state.gradient @ state.product)
        norm = jnp.sum(jnp.abs(state.gradient))
        first = jnp.minimum(1.0, 1.0 / jnp.where(norm > 0.0, norm, 1.0))
        # The decrease of the last step as a guess of this one's (J. Nocedal and S. Wright,
        # Numerical Optimization, 2nd ed. 2006, eq. 3.60) spares most second evaluations.
        guess = 2.02 * state.change / jnp.where(slope < 0.0, slope, -1.0)
        guess = jnp.where(guess > 0.0, jnp.minimum(1.0, guess), 1.0)
        step = jnp.where(state.unscaled, first, guess).astype(state.value.dtype)
        start = LineSearch.start(state.value, slope, step, state.fresh)

        def body(carry: tuple[LineSearch, Array, Array, Any]) -> Any:
            line, _, _, _ = carry
            value, aux, gradient = evaluate(state.point - line.step * state.product, data)
            slope = -(gradient @ state.product)
            return line.advance(value, slope), value, gradient, aux

        carry = (start, state.value, state.gradient, state.aux)
        return jax.lax.while_loop(lambda c: c[0].status == SEARCHING, body, carry)

    def iterate(
        carry: tuple[QuasiNewtonState, Array, Array], data: Any
    ) -> tuple[QuasiNewtonState, Array, Array]:
        state, records, first = carry
        line, value, gradient, aux = search(state, data)
        failed = line.status == FAILED
        step = jnp.where(failed, 0.0, -line.step * state.product)
        step = jnp.where(state.fresh, 0.0, step)
        difference = gradient - state.gradient
        curvature = step @ difference
        # Wolfe's second condition gives at least a tenth of step·|slope|; less is round-off.
        threshold = 1e-8 * line.step * jnp.abs(line.slope)
        valid = ~state.fresh & ~failed & (curvature > threshold)
        memory, product = state.memory.update(
            step, difference, gradient, valid,
            product=state.product, length=line.step, previous=state.gradient,
        )  # fmt: skip
        descent = gradient @ product > 0.0
        # A zero gradient needs no direction; the loss's own criteria end that run.
        usable = (descent | (jnp.max(jnp.abs(gradient)) == 0.0)) & jnp.all(jnp.isfinite(product))
        weak = jnp.where(line.forced & ~state.fresh, state.weak + 1, 0)
        status = jnp.where(failed | ~usable | (weak >= MOST_WEAK), STUCK, RUNNING)
        status = jnp.where(failed & state.fresh, NOT_FINITE, status)
        status = jnp.where((status == RUNNING) & memory.is_full, MEMORY_FULL, status)

        def keep(new: Any, old: Any) -> Any:
            return jax.tree.map(lambda n, o: jnp.where(failed, o, n), new, old)

        better = ~failed & (value < state.best_value)
        point = state.point + step
        next_state = QuasiNewtonState(
            point=point,
            value=keep(value, state.value),
            change=jnp.where(failed | state.fresh, 0.0, value - state.value),
            gradient=keep(gradient, state.gradient),
            product=keep(product, state.product),
            memory=memory,
            aux=keep(aux, state.aux),
            best_point=jnp.where(better, point, state.best_point),
            best_value=jnp.where(better, value, state.best_value),
            best_aux=jax.tree.map(lambda n, o: jnp.where(better, n, o), aux, state.best_aux),
            fresh=jnp.zeros((), bool),
            unscaled=state.fresh | (state.unscaled & ~valid),
            weak=weak,
            iteration=state.iteration + 1,
            evaluations=state.evaluations + line.count,
            status=status.astype(jnp.int32),
        )
        norm = jnp.sqrt(next_state.gradient @ next_state.gradient)
        counted = next_state.evaluations.astype(norm.dtype)
        row = jnp.stack([next_state.value, norm, counted])
        return next_state, records.at[state.iteration - first].set(row), first

    def block(state: QuasiNewtonState, data: Any, stop_at: Array) -> tuple[QuasiNewtonState, Array]:
        records = jnp.zeros((capacity, 3), state.value.dtype)

        def goes_on(carry: tuple[QuasiNewtonState, Array, Array]) -> Array:
            return (carry[0].status == RUNNING) & (carry[0].iteration < stop_at)

        state, records, _ = jax.lax.while_loop(
            goes_on, lambda carry: iterate(carry, data), (state, records, state.iteration)
        )
        return state, records

    return block
