"""What a fit learns: unknown numbers inside their bounds, networks, states where windows start.

An unknown θ is a smooth function of a free number z, so that no optimiser can leave the bounds:

    θ = a + (b − a)/(1 + exp(−z))        between a and b
    θ = a + s log(1 + exp(z))            above a        (below b: θ = b − s log(1 + exp(z)))
    θ = s z                              without bounds

with the scale s = |start − bound|, or |start|, or 1 where that is zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import sympy
from jax import Array

from pdesl.symbolic.functions import constant_value
from pdesl.symbolic.problem import Problem, Unknown

__all__ = ["Learned", "Unknowns", "unknowns_of"]

# A start on a bound has no finite free number: it is moved inside by this share of the interval.
MARGIN = 1e-3


@dataclass(frozen=True, slots=True)
class Unknowns:
    """The unknown numbers of a problem, in its order: names, starts and bounds (p,)."""

    names: tuple[str, ...]
    start: tuple[float, ...]
    lower: tuple[float, ...]
    upper: tuple[float, ...]

    def __len__(self) -> int:
        return len(self.names)

    def _kinds(self) -> tuple[np.ndarray, np.ndarray]:
        low, high = np.isfinite(self.lower), np.isfinite(self.upper)
        return low, high

    @property
    def scale(self) -> np.ndarray:
        low, high = self._kinds()
        start = np.asarray(self.start)
        nearest = np.where(low, start - np.asarray(self.lower), start)
        nearest = np.where(~low & high, np.asarray(self.upper) - start, nearest)
        size = np.abs(nearest)
        return np.where(size > 0, size, np.where(start != 0, np.abs(start), 1.0))

    def to_free(self, values: Sequence[float] | np.ndarray) -> np.ndarray:
        """The free numbers (p,) of values inside the bounds."""
        value = np.asarray(values, float)
        low, high = self._kinds()
        a = np.where(low, self.lower, 0.0)
        b = np.where(high, self.upper, 1.0)
        share = np.clip((value - a) / np.where(b > a, b - a, 1.0), MARGIN, 1 - MARGIN)
        both = np.log(share / (1 - share))
        reach = np.where(low, value - a, b - value) / self.scale
        reach = np.maximum(reach, MARGIN)
        one = reach + np.log(-np.expm1(-reach))
        return np.where(low & high, both, np.where(low | high, one, value / self.scale))

    def to_values(self, free: Array) -> Array:
        """The values (p,) of free numbers, in their precision."""
        low, high = self._kinds()
        a = np.where(low, self.lower, 0.0)
        b = np.where(high, self.upper, 1.0)
        both = a + (b - a) * jax.nn.sigmoid(free)
        reach = self.scale * jax.nn.softplus(free)
        one = jnp.where(low, a + reach, b - reach)
        found = jnp.where(low & high, both, jnp.where(low | high, one, self.scale * free))
        return found.astype(free.dtype)


def unknowns_of(problem: Problem) -> Unknowns:
    """The unknown parameters of a problem."""
    values = problem.parameter_values()
    names, start, lower, upper = [], [], [], []

    def number(bound: sympy.Expr | None, otherwise: float) -> float:
        found = None if bound is None else constant_value(bound, values)
        return otherwise if found is None else found

    for parameter in problem.parameters:
        if isinstance(parameter.value, Unknown):
            names.append(parameter.name)
            start.append(values[parameter.symbol])
            lower.append(number(parameter.value.lower, -np.inf))
            upper.append(number(parameter.value.upper, np.inf))
    return Unknowns(tuple(names), tuple(start), tuple(lower), tuple(upper))


class Learned(eqx.Module):
    """What a fit changes, as one pytree.

    Attributes:
        free: the free numbers (p,) of the unknowns.
        networks: one for each closure.
        states: (windows, n), states at the starts of further windows of one course, else None.
    """

    free: Array
    networks: tuple[Any, ...] = ()
    states: Array | None = None
