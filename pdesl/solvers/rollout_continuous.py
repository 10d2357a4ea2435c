"""The continuous adjoint: the adjoint equation discretised by itself, backwards in time.

With t running back from the end, the state, the adjoint λ and the gradient μ follow

    du/dt = G + J u + b,   dλ/dt = −(G_u + J)ᵀ λ,   dμ/dt = −(G_p + H_p)ᵀ λ

(R. T. Q. Chen, Y. Rubanova, J. Bettencourt and D. Duvenaud, NeurIPS 2018, algorithm 1; equations 5
and 6 of H. Zhang, Y. Liu and R. Maulik, 2024). The result is a discretisation of the gradient of
the equation, not the gradient of what was computed, and the state is stepped through a dissipative
equation in the unstable direction: between kept states it may grow beyond any bound.
"""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from pdesl.solvers.implicit_operators import ImplicitOperator
from pdesl.solvers.rollout_additive import (
    AdditiveMethod,
    pull_explicit,
    pull_linear,
    split_wanted,
    weighted_sum,
)
from pdesl.solvers.rollout_reverse import Plan, forwards
from pdesl.solvers.rollout_system import Dynamics, add, make_system

__all__ = ["continuous"]


def _step_back(
    method: AdditiveMethod, n: Any, state: Array, adjoint: Array, systems: Any, wanted: Any
) -> tuple[Array, Array, Dynamics]:
    """From the end of step n to its start, by the method itself with −Δt."""
    ahead, back = systems
    table, dt = method.tableau, ahead.dt
    (before,), stages = method.step(-1 - n, (state,), back)
    inner, outer = split_wanted(ahead.dynamics, wanted)
    slopes: list[Array] = []
    linear: list[Array] = []
    total: Any = Dynamics(None, None, None, None)
    for i in range(table.stages):
        change = weighted_sum(None, table.explicit[i, :i], slopes)
        change = weighted_sum(change, table.implicit[i, :i], linear)
        right = adjoint if change is None else adjoint + dt * change
        diagonal = float(table.implicit[i, i])
        value = right
        if ahead.has_linear and diagonal:
            value = ahead.solve_transposed(diagonal, right)
            linear.append((value - right) / (diagonal * dt))
        elif ahead.has_linear:
            linear.append(ahead.apply_transposed(value))
        weight = float(table.weights[i]) * dt
        if ahead.dynamics.explicit is not None:
            clock = back.time(-1 - n, table.explicit_nodes[i])
            through, slope = pull_explicit(ahead, inner, clock, stages[i], value)
            slopes.append(slope)
            total = add(total, jax.tree.map(lambda x, w=weight: w * x, through))
        if jax.tree.leaves(outer):
            clock = back.time(-1 - n, table.implicit_nodes[i])
            through = pull_linear(ahead, outer, clock, stages[i], weight * value)
            total = add(total, through)
    change = weighted_sum(None, table.weights, slopes)
    change = weighted_sum(change, table.weights, linear)
    return before, adjoint if change is None else adjoint + dt * change, total


@eqx.filter_custom_vjp
def continuous(
    differentiated: tuple[Array, Dynamics],
    operator: ImplicitOperator | None,
    method: AdditiveMethod,
    plan: Plan,
    start: Any,
    dt: Any,
) -> tuple[Array, Any]:
    """The states of a rollout, whose gradient is that of the adjoint equation."""
    state, dynamics = differentiated
    system = make_system(dynamics, operator, method.coefficients, start, dt, traced=False)
    return forwards(method, state, system, plan, save=False)[:2]


@continuous.def_fwd
def _forwards(
    perturbed: Any,
    differentiated: tuple[Array, Dynamics],
    operator: ImplicitOperator | None,
    method: AdditiveMethod,
    plan: Plan,
    start: Any,
    dt: Any,
) -> tuple[Any, Any]:
    del perturbed
    state, dynamics = differentiated
    system = make_system(dynamics, operator, method.coefficients, start, dt, traced=False)
    states, end, _ = forwards(method, state, system, plan, save=False)
    return (states, end), states


@continuous.def_bwd
def _backwards(
    states: Array,
    cotangent: Any,
    perturbed: Any,
    differentiated: tuple[Array, Dynamics],
    operator: ImplicitOperator | None,
    method: AdditiveMethod,
    plan: Plan,
    start: Any,
    dt: Any,
) -> tuple[Array, Dynamics]:
    wanted = perturbed[1]
    dynamics = differentiated[1]
    coefficients = method.coefficients
    ahead = make_system(dynamics, operator, coefficients, start, dt, traced=False)
    # Step −1 − n of this system, whose time runs back, leads from the end of step n to its start:
    # start + (−1 − n)(−Δt) is the time at the end of step n.
    back = make_system(dynamics, operator, coefficients, start, -dt, traced=False)
    every = plan.every

    def span(carry: Any, item: Any) -> tuple[Any, None]:
        adjoint, total = carry
        k, state, own = item

        def body(j: Any, inner: Any) -> Any:
            state, adjoint, total = inner
            n = k * every + every - 1 - j
            pair = ahead, back
            state, adjoint, part = _step_back(method, n, state, adjoint, pair, wanted)
            return state, adjoint, add(total, part)

        inner = jax.lax.fori_loop(0, every, body, (state, adjoint + own, total))
        return inner[1:], None

    total = jax.tree.map(jnp.zeros_like, eqx.filter(dynamics, wanted))
    items = jnp.arange(plan.steps // every), states[1:], cotangent[0][1:]
    carry = jnp.zeros_like(states[0]), total
    (adjoint, total), _ = jax.lax.scan(span, carry, items, reverse=True)
    return adjoint + cotangent[0][0], total
