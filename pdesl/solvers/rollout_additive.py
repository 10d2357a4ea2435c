"""Additive Runge-Kutta steps and their discrete adjoint."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from pdesl.solvers.rollout_system import Dynamics, System, add, with_dynamics
from pdesl.solvers.tableaux import AdditiveTableau

__all__ = ["AdditiveMethod", "pull_explicit", "pull_linear", "split_wanted", "weighted_sum"]


def weighted_sum(start: Any, weights: Any, terms: Any) -> Any:
    """start + Σ w_j x_j over the weights that are not zero; start may be None for zero."""
    for weight, term in zip(weights, terms, strict=False):
        if weight:
            product = float(weight) * term
            start = product if start is None else start + product
    return start


@dataclass(frozen=True, slots=True)
class AdditiveMethod:
    """A pair of tableaux, equation (11) of H. Zhang, Y. Liu and R. Maulik, 2024:

    U_i = u_n + Δt Σ_{j<i} a_ij G_j + Δt Σ_{j≤i} ã_ij H_j,  G_j = G(t_n + c_j Δt, U_j),
    u_{n+1} = u_n + Δt Σ_j b_j (G_j + H_j),                  H_j = J U_j + b(t_n + c̃_j Δt).

    An implicit stage solves (I − γ J) U_i = r_i + γ b with γ = Δt ã_ii (the left side of the
    paper's (12) has ã_ij for ã_ii), and H_i = (U_i − r_i)/γ needs no product with J.
    """

    tableau: AdditiveTableau

    @property
    def coefficients(self) -> tuple[float, ...]:
        diagonal = (float(self.tableau.implicit[i, i]) for i in range(self.tableau.stages))
        return tuple(dict.fromkeys(entry for entry in diagonal if entry))

    @property
    def traced(self) -> bool:
        return False

    def begin(self, state: Array) -> tuple[Array, ...]:
        return (state,)

    @property
    def order(self) -> int:
        return self.tableau.order

    @property
    def stages(self) -> int:
        return self.tableau.stages

    def _stages(
        self, n: Any, state: Array, system: System, explicit: Callable[[Any, Array], Array]
    ) -> tuple[list[Array], ...]:
        """U_i, G_i and H_i, without those of a part that there is not; `explicit` gives G."""
        table, dt = self.tableau, system.dt
        stages: list[Array] = []
        slopes: list[Array] = []
        linear: list[Array] = []
        for i in range(table.stages):
            change = weighted_sum(None, table.explicit[i, :i], slopes)
            change = weighted_sum(change, table.implicit[i, :i], linear)
            right = state if change is None else state + dt * change
            clock = system.time(n, table.implicit_nodes[i])
            diagonal = float(table.implicit[i, i])
            if diagonal and system.has_linear:
                value = system.solve(diagonal, clock, right)
                linear.append((value - right) / (diagonal * dt))
            else:
                value = right
                if system.has_linear:
                    linear.append(system.implicit(clock, value))
            if system.dynamics.explicit is not None:
                slopes.append(explicit(system.time(n, table.explicit_nodes[i]), value))
            stages.append(value)
        return stages, slopes, linear

    def step(self, n: Any, carried: Any, system: System) -> tuple[Any, Any]:
        (state,) = carried
        stages, slopes, linear = self._stages(n, state, system, system.explicit)
        change = weighted_sum(None, self.tableau.weights, slopes)
        change = weighted_sum(change, self.tableau.weights, linear)
        new = state if change is None else state + system.dt * change
        return (new,), tuple(stages)

    def attempt(self, n: Any, carried: Any, system: System) -> tuple[Any, Array]:
        """A step, and Δt Σ_j (b_j − b̂_j)(G_j + H_j) with the embedded weights b̂."""
        (state,) = carried
        table = self.tableau
        _, slopes, linear = self._stages(n, state, system, system.explicit)
        change, error = jnp.zeros_like(state), jnp.zeros_like(state)
        for part in (slopes, linear):
            change = weighted_sum(change, table.weights, part)
            error = weighted_sum(error, table.weights - table.error, part)
        return (state + system.dt * change,), system.dt * error

    def pull(
        self, n: Any, saved: Any, cotangent: Any, system: System, wanted: Any
    ) -> tuple[Any, Dynamics]:
        """The adjoint of one step (theorem 4.1 there, equation 15).

        With λ the cotangent of u_{n+1} and θ_i that of U_i, i from the last to the first,

            w_i = Δt (b_i λ + Σ_{j>i} a_ji θ_j),   v_i = Δt (b_i λ + Σ_{j>i} ã_ji θ_j),
            (I − γ Jᵀ) θ_i = G_uᵀ w_i + Jᵀ v_i,    λ_n = λ + Σ θ_i,
            μ_n = μ_{n+1} + Σ G_pᵀ w_i + H_pᵀ (v_i + γ θ_i).

        The solve is that of (I − γ Jᵀ) q = G_uᵀ w_i + v_i/γ: then θ_i = q − v_i/γ, without a
        product with Jᵀ, and v_i + γ θ_i = γ q. (In the paper's (8) the second line carries
        λ_{n+1}, and its (7) ends at n = N − 1.)
        """
        inner, _ = split_wanted(system.dynamics, wanted)

        def pull_stage(i: int, weight: Array) -> tuple[Dynamics, Array]:
            clock = system.time(n, self.tableau.explicit_nodes[i])
            return pull_explicit(system, inner, clock, saved[i], weight)

        return self._pull(n, saved, cotangent, system, wanted, pull_stage)

    def pull_again(
        self, n: Any, saved: Any, cotangent: Any, system: System, wanted: Any
    ) -> tuple[Any, Dynamics]:
        """The same from the state that the step starts from: its stages are computed again.

        G is evaluated once at each of them, for its value and its derivative.
        """
        inner, _ = split_wanted(system.dynamics, wanted)
        pulls: list[Any] = []

        def explicit(clock: Any, value: Array) -> Array:
            def function(own: Dynamics, state: Array) -> Array:
                whole = eqx.combine(own, system.dynamics)
                return with_dynamics(system, whole).explicit(clock, state)

            found, back = jax.vjp(function, inner, value)
            pulls.append(back)
            return found

        stages, _, _ = self._stages(n, saved[0], system, explicit)
        return self._pull(
            n, stages, cotangent, system, wanted, lambda i, weight: pulls[i](weight)
        )  # fmt: skip

    def _pull(
        self, n: Any, saved: Any, cotangent: Any, system: System, wanted: Any,
        pull_stage: Callable[[int, Array], tuple[Dynamics, Array]],
    ) -> tuple[Any, Dynamics]:  # fmt: skip
        """Equation 15 with the stages; `pull_stage` gives G_pᵀ w and G_uᵀ w of one of them."""
        (last,) = cotangent
        table, dt = self.tableau, system.dt
        thetas: list[Any] = [None] * table.stages
        total: Any = Dynamics(None, None, None, None)
        _, outer = split_wanted(system.dynamics, wanted)
        for i in reversed(range(table.stages)):
            later = thetas[i + 1 :]
            weight = [float(table.weights[i])]
            both = [last, *later]
            w = weighted_sum(None, [*weight, *table.explicit[i + 1 :, i]], both)
            v = weighted_sum(None, [*weight, *table.implicit[i + 1 :, i]], both)
            w = None if w is None else dt * w
            v = None if v is None or not system.has_linear else dt * v
            moved = None
            if w is not None and system.dynamics.explicit is not None:
                through, moved = pull_stage(i, w)
                total = add(total, through)
            diagonal = float(table.implicit[i, i])
            gamma = diagonal * dt
            factor_at: Any = v
            if diagonal and system.has_linear:
                known = moved
                if v is not None:
                    known = v / gamma if moved is None else moved + v / gamma
                if known is not None:
                    found = system.solve_transposed(diagonal, known)
                    thetas[i] = found if v is None else found - v / gamma
                    factor_at = gamma * found
            else:
                theta = moved
                if v is not None:
                    product = system.apply_transposed(v)
                    theta = product if theta is None else theta + product
                thetas[i] = theta
            if factor_at is not None and jax.tree.leaves(outer):
                clock = system.time(n, table.implicit_nodes[i])
                through = pull_linear(system, outer, clock, saved[i], factor_at)
                total = add(total, through)
            if thetas[i] is None:
                thetas[i] = 0.0 * last
        new = last
        for theta in thetas:
            new = new + theta
        return (new,), total


def split_wanted(dynamics: Dynamics, wanted: Any) -> tuple[Dynamics, Dynamics]:
    """The wanted leaves that G depends on, and those that H depends on."""
    own = eqx.filter(dynamics, wanted)
    parameters = own.parameters if dynamics.forcing is not None else None
    return (
        Dynamics(own.explicit, None, own.parameters, None),
        Dynamics(None, own.forcing, parameters, own.table),
    )


def pull_explicit(
    system: System, inner: Dynamics, clock: Any, stage: Array, weight: Array
) -> tuple[Dynamics, Array]:
    """G_pᵀ w and G_uᵀ w; one evaluation of G."""

    def function(own: Dynamics, state: Array) -> Array:
        return with_dynamics(system, eqx.combine(own, system.dynamics)).explicit(clock, state)

    _, back = jax.vjp(function, inner, stage)
    return back(weight)


def pull_linear(
    system: System, outer: Dynamics, clock: Any, stage: Array, weight: Array
) -> Dynamics:
    """H_pᵀ w, for the numbers of J and the parameters of b."""

    def function(own: Dynamics) -> Array:
        return with_dynamics(system, eqx.combine(own, system.dynamics)).implicit(clock, stage)

    _, back = jax.vjp(function, outer)
    return back(weight)[0]
