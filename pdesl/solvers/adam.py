"""Adam: gradient steps scaled by running moments, for losses that are too rough for a search."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from pdesl.solvers.quasi_newton import NOT_FINITE, RUNNING, Evaluate

__all__ = ["Adam", "AdamState", "make_adam_block", "start_adam"]


@dataclass(frozen=True, slots=True)
class Adam:
    """Adam with bias correction and an exponentially decaying rate.

    D. Kingma, J. Ba, "Adam: a method for stochastic optimization", 2015, algorithm 1. The rate of
    iteration k is learning_rate · decay^(k/1000).

    Attributes:
        learning_rate: size of the first steps.
        decay: factor of the rate every 1,000 iterations; 1 keeps it.
        beta1, beta2: how long the means of gradient and square remember.
        epsilon: added to the root of the mean square.
    """

    learning_rate: float = 1e-3
    decay: float = 1.0
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8

    def __post_init__(self) -> None:
        if not self.learning_rate > 0.0:
            raise ValueError(f"the learning rate must be positive, not {self.learning_rate!r}")
        if not 0.0 < self.decay <= 1.0:
            raise ValueError(f"the decay must lie in (0, 1], not {self.decay!r}")
        for name in ("beta1", "beta2"):
            if not 0.0 <= getattr(self, name) < 1.0:
                raise ValueError(f"{name} must lie in [0, 1), not {getattr(self, name)!r}")
        if not self.epsilon > 0.0:
            raise ValueError(f"epsilon must be positive, not {self.epsilon!r}")


class AdamState(eqx.Module):
    """`point` has not been evaluated yet; `best_*` belong to evaluated points."""

    point: Array
    mean: Array
    square: Array
    aux: Any
    best_point: Array
    best_value: Array
    best_aux: Any
    iteration: Array
    evaluations: Array
    status: Array


def start_adam(point: Array, aux: Any) -> AdamState:
    return AdamState(
        point=point,
        mean=jnp.zeros_like(point),
        square=jnp.zeros_like(point),
        aux=aux,
        best_point=jnp.array(point),
        best_value=jnp.full((), jnp.inf, point.dtype),
        best_aux=jax.tree.map(jnp.array, aux),
        iteration=jnp.zeros((), jnp.int32),
        evaluations=jnp.zeros((), jnp.int32),
        status=jnp.full((), RUNNING, jnp.int32),
    )


def make_adam_block(
    options: Adam, evaluate: Evaluate, capacity: int
) -> Callable[[AdamState, Any, Array], tuple[AdamState, Array]]:
    """As `quasi_newton.make_block`, for Adam."""

    def iterate(state: AdamState, data: Any) -> tuple[AdamState, Array]:
        value, aux, gradient = evaluate(state.point, data)
        number = (state.iteration + 1).astype(value.dtype)
        mean = options.beta1 * state.mean + (1.0 - options.beta1) * gradient
        square = options.beta2 * state.square + (1.0 - options.beta2) * gradient**2
        centred = mean / (1.0 - options.beta1**number)
        spread = jnp.sqrt(square / (1.0 - options.beta2**number)) + options.epsilon
        rate = options.learning_rate * options.decay ** (state.iteration.astype(value.dtype) / 1e3)
        norm = jnp.sqrt(gradient @ gradient)
        finite = jnp.isfinite(value) & jnp.isfinite(norm)
        better = finite & (value < state.best_value)

        def best(new: Any, old: Any) -> Any:
            return jax.tree.map(lambda n, o: jnp.where(better, n, o), new, old)

        evaluations = state.evaluations + 1
        following = AdamState(
            point=jnp.where(finite, state.point - rate * centred / spread, state.point),
            mean=mean,
            square=square,
            aux=aux,
            best_point=best(state.point, state.best_point),
            best_value=best(value, state.best_value),
            best_aux=best(aux, state.best_aux),
            iteration=state.iteration + 1,
            evaluations=evaluations,
            status=jnp.where(finite, RUNNING, NOT_FINITE).astype(jnp.int32),
        )
        return following, jnp.stack([value, norm, evaluations.astype(value.dtype)])

    def block(state: AdamState, data: Any, stop_at: Array) -> tuple[AdamState, Array]:
        first = state.iteration

        def goes_on(carry: tuple[AdamState, Array]) -> Array:
            return (carry[0].status == RUNNING) & (carry[0].iteration < stop_at)

        def body(carry: tuple[AdamState, Array]) -> tuple[AdamState, Array]:
            following, row = iterate(carry[0], data)
            return following, carry[1].at[carry[0].iteration - first].set(row)

        records = jnp.zeros((capacity, 3), state.point.dtype)
        return jax.lax.while_loop(goes_on, body, (state, records))

    return block
