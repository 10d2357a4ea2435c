"""Adaptive explicit steps by diffrax, with its adjoints."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from pdesl.diagnostics import SolverError
from pdesl.solvers.implicit_operators import ImplicitOperator
from pdesl.solvers.rollout_reverse import Plan
from pdesl.solvers.rollout_system import Dynamics, System

__all__ = ["by_diffrax"]

# Evaluations of a step of either method beyond the first one, which the step before has made.
EVALUATIONS = 6


def by_diffrax(
    name: str,
    state: Array,
    dynamics: Dynamics,
    operator: ImplicitOperator | None,
    plan: Plan,
    start: Any,
    dt: Any,
    gradient: str,
    checkpoints: str | int | None,
    tolerances: tuple[float, float],
    most_steps: int,
) -> tuple[Array, Array]:
    """States at every `plan.every`-th multiple of Δt, and the evaluations.

    The discrete adjoint is diffrax's recursively checkpointed one: the steps that were taken are
    differentiated, their sizes being held. Where tolerances are not met within `most_steps` steps
    the states are not numbers.
    """
    import diffrax

    if checkpoints == "sqrt":
        raise SolverError(
            f"{name} chooses its steps, of which √n cannot be kept in advance",
            code="E760",
            advice="give `checkpoints` as a number of states, or leave it out",
        )
    solvers: dict[str, Any] = {"dopri5": diffrax.Dopri5, "tsit5": diffrax.Tsit5}
    slots: Any = checkpoints
    adjoints: dict[str, Any] = {
        "discrete_adjoint": lambda: diffrax.RecursiveCheckpointAdjoint(checkpoints=slots),
        "backpropagation": diffrax.DirectAdjoint,
        "continuous_adjoint": diffrax.BacksolveAdjoint,
    }

    def slope(t: Any, value: Array, own: Any) -> Array:
        system = System(_joined(own), operator, (), (), start, dt, traced=True)
        found = system.explicit(t, value)
        return found + system.implicit(t, value) if system.has_linear else found

    kept = jnp.arange(1, plan.steps // plan.every + 1) * plan.every
    begin = jnp.asarray(start, state.dtype)
    times = begin + kept.astype(state.dtype) * dt
    rtol, atol = tolerances
    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(slope),
        solvers[name](),
        begin,
        times[-1],
        None,
        state,
        args=_parted(dynamics),
        saveat=diffrax.SaveAt(ts=times),
        stepsize_controller=diffrax.PIDController(rtol=rtol, atol=atol),
        adjoint=adjoints[gradient](),
        max_steps=most_steps,
        # An exception from within would keep compiled code from being found again.
        throw=False,
    )
    assert solution.ys is not None
    good = solution.result == diffrax.RESULTS.successful
    states = jnp.concatenate([state[None], jnp.where(good, solution.ys, jnp.nan)])
    counted = solution.stats["num_steps"] * EVALUATIONS + 1
    return states, jax.lax.stop_gradient(counted)


def _parted(tree: Any) -> tuple[Any, Any]:
    """Real leaves and real parts, and imaginary parts: diffrax would make everything complex."""
    twofold = jax.tree.map(lambda leaf: eqx.is_array(leaf) and jnp.iscomplexobj(leaf), tree)
    whole, rest = eqx.partition(tree, twofold)
    return eqx.combine(jax.tree.map(jnp.real, whole), rest), jax.tree.map(jnp.imag, whole)


def _joined(pair: tuple[Any, Any]) -> Any:
    real, imaginary = pair
    there = jax.tree.map(lambda leaf: leaf is not None, imaginary, is_leaf=lambda x: x is None)
    own = eqx.filter(real, there)
    return eqx.combine(jax.tree.map(jax.lax.complex, own, imaginary), real)
