"""What a time step acts on: u' = G(t, u; p) + J(p) u + b(t; p), with the solves of I − γ Δt J."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from pdesl.solvers.implicit_operators import ImplicitOperator

__all__ = ["Dynamics", "Method", "System", "add", "constant", "make_system", "with_dynamics"]


class Dynamics(eqx.Module):
    """Everything that a gradient may be asked of, apart from the initial state.

    Attributes:
        explicit: G(t, state, parameters), with what it closes over as leaves; none: G = 0.
        forcing: b(t, parameters); none: b = 0.
        parameters: p.
        table: numbers of J, or of its φ functions for exponential methods.
    """

    explicit: Callable[..., Array] | None
    forcing: Callable[..., Array] | None
    parameters: Any
    table: Any


class System(eqx.Module):
    """The dynamics with the factors that its steps need.

    Attributes:
        operator: the kind of J; none where there is no J.
        coefficients: distinct γ of the implicit stages, `factors` those of I − γ Δt J.
        traced: whether JAX differentiates through the solves itself (forwards or backwards).
    """

    dynamics: Dynamics
    operator: ImplicitOperator | None
    coefficients: tuple[float, ...] = eqx.field(static=True)
    factors: tuple[Any, ...]
    start: Any
    dt: Any
    traced: bool = eqx.field(static=True)

    def time(self, step: Any, node: float = 0.0) -> Any:
        """t0 + (n + c) Δt."""
        return self.start + (step + node) * self.dt

    def explicit(self, t: Any, state: Array) -> Array:
        """G, zero where there is none."""
        own = self.dynamics
        if own.explicit is None:
            return jnp.zeros_like(state)
        return own.explicit(jnp.asarray(t, state.dtype), state, own.parameters)

    def forcing(self, t: Any, state: Array) -> Array | None:
        """b as rows that broadcast over the batch, or none."""
        own = self.dynamics
        if own.forcing is None:
            return None
        return own.forcing(jnp.asarray(t, state.dtype), own.parameters).astype(state.dtype)

    @property
    def has_linear(self) -> bool:
        return self.operator is not None or self.dynamics.forcing is not None

    def implicit(self, t: Any, state: Array) -> Array:
        """H = J u + b, zero where there is neither."""
        found = jnp.zeros_like(state)
        if self.operator is not None:
            found = self.operator.apply_table(self.dynamics.table, state)
        extra = self.forcing(t, state)
        return found if extra is None else found + extra

    def solve(self, coefficient: float, t: Any, right: Array) -> Array:
        """U with U − γ Δt (J U + b(t)) = r, γ one of the coefficients."""
        shift = coefficient * self.dt
        extra = self.forcing(t, right)
        if extra is not None:
            right = right + shift * extra
        operator = self.operator
        if operator is None:
            return right
        if not self.traced:
            return self.solve_factor(coefficient, right)
        factor = self.factors[self.coefficients.index(coefficient)]
        table = self.dynamics.table
        return jax.lax.custom_linear_solve(
            lambda u: u - shift * operator.apply_table(table, u),
            right,
            solve=lambda _, r: operator.solve_factor(factor, r),
            transpose_solve=lambda _, r: operator.solve_factor_transposed(factor, r),
        )

    def solve_factor(self, coefficient: float, right: Array) -> Array:
        """U with U − γ Δt J U = r, not to be differentiated."""
        if self.operator is None:
            return right
        factor = self.factors[self.coefficients.index(coefficient)]
        return self.operator.solve_factor(factor, right)

    def solve_transposed(self, coefficient: float, right: Array) -> Array:
        """W with W − γ Δt Jᵀ W = r."""
        if self.operator is None:
            return right
        factor = self.factors[self.coefficients.index(coefficient)]
        return self.operator.solve_factor_transposed(factor, right)

    def apply_transposed(self, state: Array) -> Array:
        """Jᵀ w."""
        if self.operator is None:
            return jnp.zeros_like(state)
        return self.operator.apply_table_transposed(self.dynamics.table, state)


def with_dynamics(system: System, dynamics: Dynamics) -> System:
    """The system with other dynamics and the same factors."""
    return System(
        dynamics,
        system.operator,
        system.coefficients,
        system.factors,
        system.start,
        system.dt,
        system.traced,
    )


def constant(tree: Any) -> Any:
    """A tree that is not differentiated."""
    arrays, rest = eqx.partition(tree, eqx.is_array)
    return eqx.combine(jax.lax.stop_gradient(arrays), rest)


def make_system(
    dynamics: Dynamics,
    operator: ImplicitOperator | None,
    coefficients: tuple[float, ...],
    start: Any,
    dt: Any,
    *,
    traced: bool,
) -> System:
    """A system with its factors, made once for all stages, steps and rows of the batch."""
    factors: tuple[Any, ...] = ()
    if operator is not None:
        table = constant(dynamics.table)
        factors = tuple(operator.factor(table, c * dt) for c in coefficients)
    return System(dynamics, operator, coefficients, factors, start, dt, traced)


class Method(Protocol):
    """One scheme. What is carried from step to step is a tuple whose first entry is the state."""

    @property
    def coefficients(self) -> tuple[float, ...]:
        """Distinct γ of its implicit stages."""
        ...

    @property
    def traced(self) -> bool:
        """Whether `pull` needs JAX to differentiate solves."""
        ...

    def begin(self, state: Array) -> tuple[Array, ...]:
        """What the first step starts from."""
        ...

    def step(self, n: Any, carried: Any, system: System) -> tuple[Any, Any]:
        """Step n; the second value is what `pull` needs of it."""
        ...

    def pull(
        self, n: Any, saved: Any, cotangent: Any, system: System, wanted: Any
    ) -> tuple[Any, Dynamics]:
        """Cotangents of what step n started from, and of the wanted leaves of the dynamics."""
        ...

    def pull_again(
        self, n: Any, saved: Any, cotangent: Any, system: System, wanted: Any
    ) -> tuple[Any, Dynamics]:
        """The same, `saved` being what is carried into step n."""
        ...


def add(total: Any, part: Any) -> Any:
    """Sum of two trees; None stands for zero, whole branches included."""
    if total is None or part is None:
        return part if total is None else total
    if isinstance(total, Dynamics):
        return Dynamics(
            add(total.explicit, part.explicit),
            add(total.forcing, part.forcing),
            add(total.parameters, part.parameters),
            add(total.table, part.table),
        )
    return eqx.apply_updates(total, part)
