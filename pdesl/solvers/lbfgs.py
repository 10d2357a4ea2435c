"""Limited-memory BFGS: the inverse Hessian from the last m steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

__all__ = ["LBFGS", "LBFGSMemory"]


@dataclass(frozen=True, slots=True)
class LBFGS:
    """L-BFGS with a strong-Wolfe line search.

    Attributes:
        history: pairs of steps and gradient differences that are kept.
    """

    history: int = 50

    def __post_init__(self) -> None:
        if not isinstance(self.history, int) or self.history < 1:
            raise ValueError(f"the history of L-BFGS must be at least 1, not {self.history!r}")

    def make_memory(self, size: int, dtype: jnp.dtype) -> LBFGSMemory:
        length = min(self.history, max(size, 1))
        return LBFGSMemory(
            steps=jnp.zeros((length, size), dtype),
            differences=jnp.zeros((length, size), dtype),
            curvatures=jnp.zeros((length,), dtype),
            scaling=jnp.ones((), dtype),
            count=jnp.zeros((), jnp.int32),
        )


class LBFGSMemory(eqx.Module):
    """Ring of pairs (s, y); `count` pairs were ever stored.

    J. Nocedal and S. Wright, Numerical Optimization, 2nd ed. 2006, algorithm 7.4 (two loops),
    with H₀ = (s·y / y·y) I of eq. 7.20.
    """

    steps: Array
    differences: Array
    curvatures: Array
    scaling: Array
    count: Array

    @property
    def is_full(self) -> Array:
        return jnp.zeros((), bool)

    def reset(self) -> LBFGSMemory:
        """Forget every pair."""
        return LBFGSMemory(
            self.steps,
            self.differences,
            self.curvatures,
            jnp.ones_like(self.scaling),
            jnp.zeros_like(self.count),
        )

    def enlarged(self) -> LBFGSMemory:
        return self

    def shaped(self, arrays: Mapping[str, Any]) -> LBFGSMemory:
        del arrays
        return self

    def update(
        self, step: Array, difference: Array, gradient: Array, valid: Array, **_: Array
    ) -> tuple[LBFGSMemory, Array]:
        """Store the pair (step, difference) if valid; return H·gradient with it."""
        length = self.steps.shape[0]
        place = self.count % length
        curvature = step @ difference
        square = difference @ difference

        def stored(ring: Array, new: Array) -> Array:
            return ring.at[place].set(jnp.where(valid, new, ring[place]))

        memory = LBFGSMemory(
            steps=stored(self.steps, step),
            differences=stored(self.differences, difference),
            curvatures=stored(self.curvatures, curvature),
            scaling=jnp.where(valid, curvature / jnp.where(valid, square, 1.0), self.scaling),
            count=self.count + valid.astype(jnp.int32),
        )
        return memory, memory.product(gradient)

    def product(self, vector: Array) -> Array:
        """H·vector."""
        length = self.steps.shape[0]
        used = jnp.minimum(self.count, length)

        def newest_first(k: Array, carry: tuple[Array, Array]) -> tuple[Array, Array]:
            vector, weights = carry
            i = (self.count - 1 - k) % length
            weight = (self.steps[i] @ vector) / self.curvatures[i]
            return vector - weight * self.differences[i], weights.at[i].set(weight)

        def oldest_first(k: Array, vector: Array) -> Array:
            i = (self.count - used + k) % length
            correction = weights[i] - (self.differences[i] @ vector) / self.curvatures[i]
            return vector + correction * self.steps[i]

        start = (vector, jnp.zeros_like(self.curvatures))
        vector, weights = jax.lax.fori_loop(0, used, newest_first, start)
        return jax.lax.fori_loop(0, used, oldest_first, self.scaling * vector)
