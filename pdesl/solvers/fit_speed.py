"""Regularisers of learned dynamics, integrated beside the solution, and the work of a solver.

With f the whole right-hand side of u' = f(t, u), along the course of every window

    R_K = ∫ |dᴷu/dtᴷ|² dt,        K = ∫ |f|² dt,        B = ∫ |∂f/∂u|² dt,

where |·|² is the sum over the fields of the mean over the places (of a system without space the
sum over all values), so that weights do not depend on the resolution.

Source: J. Kelly et al., Learning differential equations that are easy to solve, 2020, equations 1,
3 and 4.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import factorial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import scipy.integrate
from jax import Array

from pdesl.lowering.jets.flow import flow_coefficients
from pdesl.solvers.fit_options import JacobianOptions, KineticOptions, SpeedOptions
from pdesl.solvers.implicit_operators import ImplicitOperator

__all__ = ["MOST_EVALUATIONS", "BesideIntegrals", "count_adaptive", "integrands", "probes_of"]

Velocity = Callable[[Any, Array], Array]
"""(t, states (batch, n)) → slopes (batch, n), every row by itself."""

# An explicit adaptive solver that takes more evaluations than these is no help to anybody.
MOST_EVALUATIONS = 3_000


def probes_of(terms: Sequence[Any], windows: int, size: int, seed: int) -> Array:
    """Random signs (windows, directions, size), of as many directions as the terms ask for."""
    count = max((t.probes for t in terms if isinstance(t, JacobianOptions)), default=0)
    key = jax.random.key(seed)
    return jax.random.rademacher(key, (windows, count, size), float)


def integrands(
    terms: Sequence[Any], velocity: Velocity, time: Any, states: Array, probes: Array, fields: int
) -> Array:
    """The integrands of all regularisers at states (batch, n): (batch, terms).

    Args:
        terms: bound options, `REGULARISERS` of `fit_options`.
        velocity: f, whose rows do not depend on one another.
        probes: (batch, directions, n), for the terms that estimate.
        fields: n / fields values make a mean.
    """
    scale = fields / states.shape[1]

    def squares(values: Array) -> Array:
        return scale * jnp.sum(values**2, axis=1)

    orders = [t.order for t in terms if isinstance(t, SpeedOptions)]
    orders += [1 for t in terms if isinstance(t, KineticOptions)]
    series: list[Any] = flow_coefficients(velocity, time, states, max(orders)) if orders else []
    found = []
    for term in terms:
        if isinstance(term, SpeedOptions | KineticOptions):
            order = term.order if isinstance(term, SpeedOptions) else 1
            found.append(squares(series[order] * float(factorial(order))))
        else:
            _, pull = jax.vjp(lambda u: velocity(time, u), states)
            directions = jnp.swapaxes(probes[:, : term.probes], 0, 1).astype(states.dtype)
            if not term.probes:
                unit = jnp.eye(states.shape[1], dtype=states.dtype)
                directions = jnp.broadcast_to(unit[:, None], (len(unit), *states.shape))
            rows = jax.vmap(lambda w: squares(pull(w)[0]))(directions)  # noqa: B023
            found.append(jnp.mean(rows, axis=0) if term.probes else jnp.sum(rows, axis=0))
    return jnp.stack(found, axis=1)


class BesideIntegrals(ImplicitOperator):
    """J ⊕ 0: the operator of a state with integrals in its last `count` columns."""

    values: Any
    inner: ImplicitOperator
    count: int = eqx.field(static=True)
    stored: dict[float, Any] = eqx.field(default_factory=dict, kw_only=True)

    @classmethod
    def of(cls, operator: ImplicitOperator, count: int) -> BesideIntegrals:
        values = operator.values
        bare = eqx.tree_at(lambda o: o.values, operator, None, is_leaf=lambda leaf: leaf is values)
        return cls(values, bare, count, stored=operator.stored)

    @property
    def words(self) -> str:
        return self.inner.words

    @property
    def has_phi(self) -> bool:
        return self.inner.has_phi

    @property
    def solves_by_products(self) -> bool:
        return self.inner.solves_by_products

    def _both(self, function: Callable[[Array], Array], state: Array, factor: float) -> Array:
        own, rest = state[:, : -self.count], state[:, -self.count :]
        return jnp.concatenate([function(own), factor * rest], axis=1)

    def apply_table(self, table: Any, state: Array) -> Array:
        return self._both(lambda u: self.inner.apply_table(table, u), state, 0.0)

    def apply_table_transposed(self, table: Any, state: Array) -> Array:
        return self._both(lambda u: self.inner.apply_table_transposed(table, u), state, 0.0)

    def make_factor(self, table: Any, shift: Any) -> Any:
        return self.inner.make_factor(table, shift)

    def solve_factor(self, factor: Any, right: Array) -> Array:
        return self._both(lambda r: self.inner.solve_factor(factor, r), right, 1.0)

    def solve_factor_transposed(self, factor: Any, right: Array) -> Array:
        return self._both(lambda r: self.inner.solve_factor_transposed(factor, r), right, 1.0)

    def phi_tables(self, table: Any, dt: Any) -> tuple[Any, ...]:
        return tuple(
            (f, 1.0 / factorial(k)) for k, f in enumerate(self.inner.phi_tables(table, dt))
        )

    def apply_phi(self, function: Any, state: Array) -> Array:
        own, value = function
        return self._both(lambda u: self.inner.apply_phi(own, u), state, value)


class _TooMany(Exception):
    """More than `MOST_EVALUATIONS`."""


def count_adaptive(
    velocity: Velocity, states: np.ndarray, length: float, tolerances: tuple[float, float]
) -> int | None:
    """Evaluations of f that Dormand and Prince's explicit pair of order 5 takes.

    Args:
        velocity: of the time since the start, and states (batch, n) as one system; jitted.
        states: at the start.
        length: of the time.
        tolerances: relative and absolute.

    Returns:
        The number, rejected steps included; None where there are more than `MOST_EVALUATIONS`,
        or where the solver fails.
    """
    shape, made = states.shape, 0

    def slope(time: float, flat: np.ndarray) -> np.ndarray:
        nonlocal made
        made += 1
        if made > MOST_EVALUATIONS:
            raise _TooMany
        return np.asarray(velocity(time, jnp.asarray(flat.reshape(shape)))).ravel()

    try:
        with np.errstate(all="ignore"):
            found = scipy.integrate.solve_ivp(
                slope, (0.0, length), states.ravel(), rtol=tolerances[0], atol=tolerances[1]
            )
    except _TooMany:
        return None
    return int(found.nfev) if found.success else None
