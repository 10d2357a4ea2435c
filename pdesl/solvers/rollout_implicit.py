"""Steps with every term implicit (Newton), and exponential steps of the whole Jacobian."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from pdesl.solvers.rollout_additive import weighted_sum
from pdesl.solvers.rollout_krylov import arnoldi, gmres
from pdesl.solvers.rollout_stepwise import StepwiseMethod
from pdesl.solvers.rollout_system import System, constant, with_dynamics
from pdesl.solvers.tableaux import AdditiveTableau

__all__ = ["ImplicitMethod", "RosenbrockMethod"]

NEWTON_STEPS = 20
# Newton's steps end at this multiple of the rounding unit, relative to the state.
NEWTON_TOLERANCE = 100.0
# Share of a residual that the linear solve of a Newton step leaves.
FORCING_TERM = 1e-3


@dataclass(frozen=True, slots=True)
class ImplicitMethod(StepwiseMethod):
    """A diagonally implicit Runge-Kutta method for G + H together.

    A stage U − γ (G(U) + J U + b) = r is solved by Newton's method; its linear systems by GMRES,
    preconditioned with the factor of I − γ J. Its derivative is that of the equation, by one
    linear solve with the Jacobian or its transpose. Carried beside the state is the number of
    evaluations of G, tangent ones included.
    """

    tableau: AdditiveTableau

    @property
    def coefficients(self) -> tuple[float, ...]:
        diagonal = (float(self.tableau.implicit[i, i]) for i in range(self.tableau.stages))
        return tuple(dict.fromkeys(entry for entry in diagonal if entry))

    def begin(self, state: Array) -> tuple[Array, ...]:
        return state, jnp.zeros((), state.dtype)

    @property
    def order(self) -> int:
        return self.tableau.order

    @property
    def stages(self) -> int:
        return 0

    def advance(self, n: Any, carried: Any, system: System) -> Any:
        slopes, count = self._slopes(n, carried, system)
        return carried[0] + system.dt * weighted_sum(None, self.tableau.weights, slopes), count

    def attempt(self, n: Any, carried: Any, system: System) -> tuple[Any, Array]:
        """A step, and Δt Σ_j (b_j − b̂_j) F_j with the embedded weights b̂."""
        slopes, count = self._slopes(n, carried, system)
        table, dt = self.tableau, system.dt
        new = carried[0] + dt * weighted_sum(None, table.weights, slopes)
        gap = weighted_sum(jnp.zeros_like(new), table.weights - table.error, slopes)
        return (new, count), dt * gap

    def _slopes(self, n: Any, carried: Any, system: System) -> tuple[list[Array], Any]:
        """F = G + H at the stages, and the evaluations so far."""
        state, count = carried
        table, dt = self.tableau, system.dt
        slopes: list[Array] = []
        for i in range(table.stages):
            change = weighted_sum(None, table.implicit[i, :i], slopes)
            right = state if change is None else state + dt * change
            clock = system.time(n, table.implicit_nodes[i])
            diagonal = float(table.implicit[i, i])
            if diagonal:
                value, used = _stage(system, diagonal, clock, right, state)
                slopes.append((value - right) / (diagonal * dt))
                count = count + jax.lax.stop_gradient(used)
            else:
                slopes.append(system.explicit(clock, right) + system.implicit(clock, right))
                count = count + 1
        return slopes, count


def _stage(
    system: System, coefficient: float, clock: Any, right: Array, guess: Array
) -> tuple[Array, Array]:
    """U with U − γ (G + H)(U) = r, and the evaluations it took."""
    shift = coefficient * system.dt
    # Newton's iterations are not differentiated, nor what preconditions them.
    plain = with_dynamics(system, constant(system.dynamics))

    def precondition(v: Array) -> Array:
        return system.solve_factor(coefficient, v)

    def precondition_transposed(v: Array) -> Array:
        return system.solve_transposed(coefficient, v)

    def residual(own: System, value: Array) -> Array:
        return value - shift * (own.explicit(clock, value) + own.implicit(clock, value)) - right

    unit = float(jnp.finfo(right.dtype).eps)

    def newton(_: Any, start: Array) -> tuple[Array, Array]:
        def body(carry: Any) -> Any:
            value, _, count, steps = carry
            off, product = jax.linearize(lambda v: residual(plain, v), value)
            change, used = gmres(product, -off, precondition, FORCING_TERM)
            value = value + change
            size = jnp.linalg.norm(change) / (jnp.linalg.norm(value) + unit)
            return value, size, count + 1 + used, steps + 1

        def unfinished(carry: Any) -> Array:
            _, size, _, steps = carry
            return (size > NEWTON_TOLERANCE * unit) & (steps < NEWTON_STEPS)

        first = start, jnp.asarray(jnp.inf, right.dtype), jnp.zeros((), right.dtype), 0
        value, size, count, _ = jax.lax.while_loop(unfinished, body, first)
        failed = ~(size <= jnp.sqrt(unit))
        return jnp.where(failed, jnp.nan, value), count

    def tangent(product: Any, known: Array) -> Array:
        return jax.lax.custom_linear_solve(
            product,
            known,
            solve=lambda a, r: gmres(a, r, precondition)[0],
            transpose_solve=lambda a, r: gmres(a, r, precondition_transposed)[0],
        )

    return jax.lax.custom_root(
        lambda value: residual(system, value), guess, newton, tangent, has_aux=True
    )


@dataclass(frozen=True, slots=True)
class RosenbrockMethod(StepwiseMethod):
    """The exponential Rosenbrock-Euler method, also called EPI2, of order 2:

    u_{n+1} = u_n + Δt φ1(Δt A_n) F(u_n),  A_n = ∂F/∂u, for the system made autonomous by its
    time (M. Tokman, J. Comput. Phys. 213, 2006; M. Hochbruck and A. Ostermann, Acta Numerica 19,
    2010, section 2.4). φ1 comes from a Krylov space of a given dimension for each row, or from
    the whole Jacobian where the state is no larger.
    """

    dimension: int

    def advance(self, n: Any, carried: Any, system: System) -> Any:
        (state,) = carried
        dt, clock = system.dt, jnp.asarray(system.time(n), carried[0].dtype)

        def right(t: Array, value: Array) -> Array:
            return system.explicit(t, value) + system.implicit(t, value)

        slope, in_time = jax.jvp(lambda t: right(t, state), (clock,), (jnp.ones_like(clock),))
        _, in_state = jax.linearize(lambda value: right(clock, value), state)

        def product(rows: Array) -> Array:
            """The Jacobian of (u, t)' = (F, 1), for every row."""
            moved = in_state(rows[:, :-1]) + in_time * rows[:, -1:]
            return jnp.concatenate([moved, jnp.zeros_like(rows[:, -1:])], axis=1)

        whole = jnp.concatenate([slope, jnp.ones_like(slope[:, :1])], axis=1)
        size = whole.shape[1]
        if size <= self.dimension:
            unit = jnp.eye(size, dtype=state.dtype)
            ones = jnp.ones((len(state), 1), state.dtype)
            columns = jax.vmap(lambda row: product(ones * row))(unit)
            found = _phi1(dt * jnp.moveaxis(columns, 0, -1), whole)
        else:
            norms, basis, matrix = arnoldi(product, whole, self.dimension)
            first = jnp.zeros((len(state), self.dimension), state.dtype).at[:, 0].set(norms)
            found = jnp.einsum("kbn,bk->bn", basis, _phi1(dt * matrix, first))
        return (state + dt * found[:, :-1],)


def _phi1(matrices: Array, vectors: Array) -> Array:
    """φ1(Z_i) v_i: the last column of exp([[Z, v], [0, 0]])."""
    batch, size = vectors.shape
    big = jnp.zeros((batch, size + 1, size + 1), matrices.dtype)
    big = big.at[:, :size, :size].set(matrices).at[:, :size, size].set(vectors)
    return jax.scipy.linalg.expm(big, max_squarings=48)[:, :size, size]
