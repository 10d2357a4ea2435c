"""Differentiable time stepping of learned dynamics, u' = G(t, u; p) + J(p) u + b(t; p), in JAX."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from pdesl.diagnostics import SolverError
from pdesl.solvers.implicit_operators import ImplicitOperator
from pdesl.solvers.rollout_additive import AdditiveMethod
from pdesl.solvers.rollout_continuous import continuous
from pdesl.solvers.rollout_diffrax import by_diffrax
from pdesl.solvers.rollout_embedded import LEVELS, Ladder, embedded, most_steps_of, shifts
from pdesl.solvers.rollout_implicit import ImplicitMethod, RosenbrockMethod
from pdesl.solvers.rollout_names import GRADIENTS, Evaluations, RolloutScheme, scheme_named
from pdesl.solvers.rollout_reverse import Plan, forwards, forwards_again, make_plan, reverse
from pdesl.solvers.rollout_stepwise import ExponentialMethod, MultistepMethod
from pdesl.solvers.rollout_system import Dynamics, Method, System, constant, make_system
from pdesl.solvers.tableaux import AdditiveTableau

__all__ = ["Trajectory", "count_evaluations", "prefactored", "rollout"]


class Trajectory(eqx.Module):
    """What a rollout gives.

    Attributes:
        states: (steps // keep_every + 1, batch, n), the initial state first.
        evaluations: of the explicit part, for one value and gradient; -1 where only the run
            knows them.
        counted: evaluations of one value, () array, where only the run knows them.
        taken: of steps by an error estimate, (3,): accepted, refused, and the exponent k of the
            smallest, Δt 2^(k − LEVELS); else none.
        report: what was chosen, in words.
    """

    states: Array
    evaluations: Evaluations = eqx.field(static=True)
    counted: Array | None
    report: str = eqx.field(static=True)
    taken: Array | None = None


def make_method(scheme: RolloutScheme, *, linear: bool = False, krylov: int = 30) -> Method:
    """The steps of a scheme; `linear` where there is no explicit part to be made implicit."""
    if scheme.kind == "multistep":
        return MultistepMethod(scheme.name)
    if scheme.kind == "exponential":
        return ExponentialMethod(scheme.name)
    if scheme.kind == "rosenbrock":
        return RosenbrockMethod(krylov)
    assert scheme.tableau is not None
    if scheme.kind == "implicit" and not linear:
        return ImplicitMethod(scheme.tableau)
    return AdditiveMethod(scheme.tableau)


def count_evaluations(
    scheme: str | AdditiveTableau,
    steps: int,
    gradient: str = "discrete_adjoint",
    checkpoints: str | int | None = None,
    *,
    batches: int = 1,
) -> Evaluations:
    """Evaluations of G for `batches` values and gradients of rollouts, as `Evaluations` counts."""
    own = scheme_named(scheme)
    plan = make_plan(steps, steps, checkpoints)
    if not own.stages:
        return Evaluations(-1, -1)
    ahead = own.stages * steps
    again = own.stages * plan.repeated
    if own.kind == "multistep":
        method = MultistepMethod(own.name)
        first = min(steps, method.first_steps)
        ahead = steps + first * method.starter.tableau.stages
        again = 0 if not plan.repeated else ahead
    if gradient == "backpropagation":
        return Evaluations(batches * ahead, batches * (ahead if checkpoints is not None else 0))
    if gradient == "continuous_adjoint":
        # The state is stepped back beside the adjoint.
        return Evaluations(batches * ahead, 2 * batches * ahead)
    return Evaluations(batches * ahead, batches * (again + ahead))


def prefactored(
    implicit: ImplicitOperator,
    scheme: str | AdditiveTableau,
    dt: float,
    *,
    adaptive: bool = False,
) -> ImplicitOperator:
    """The operator with the factors that rollouts of this scheme and step need.

    Give the result to jitted functions as an argument: J is then factored once for all batches.
    """
    coefficients = make_method(scheme_named(scheme)).coefficients
    sizes = shifts(coefficients, dt) if adaptive else tuple(c * dt for c in coefficients)
    return implicit.prefactored(sizes)


def rollout(
    explicit: Callable[[Array, Array, Any], Array] | None,
    implicit: ImplicitOperator | None,
    state: Array,
    parameters: Any,
    steps: int,
    dt: Any,
    scheme: str | AdditiveTableau = "imex_rk3",
    *,
    forcing: Callable[[Array, Any], Array] | None = None,
    start: Any = 0.0,
    gradient: str = "discrete_adjoint",
    checkpoints: str | int | None = None,
    keep_every: int = 1,
    krylov: int = 30,
    adaptive: bool = False,
    tolerances: tuple[float, float] = (1e-6, 1e-9),
    most_steps: int | None = None,
    groups: Array | None = None,
    axis: str | None = None,
) -> Trajectory:
    """Step a batch of states and be differentiable in the state and the parameters.

    Args:
        explicit: G(t, state, parameters), (batch, n) -> (batch, n); row i of the result depends
            on row i of the state. What it closes over is differentiated too. None: G = 0.
        implicit: J, or None.
        state: (batch, n), float32 or float64; everything is computed in its precision.
        parameters: any pytree.
        steps: number of steps of size `dt`, which may be traced. Neither `dt` nor `start` is
            differentiated.
        scheme: a name of `rollout_names.SCHEMES`, or an additive tableau.
        forcing: b(t, parameters), (n,) or (batch, n), part of the implicit terms.
        start: time of the initial state.
        gradient: "discrete_adjoint" (the exact gradient of the discrete solution by the method's
            adjoint), "backpropagation" (the same numbers, by JAX through every operation; also
            forwards), "continuous_adjoint" (the adjoint equation discretised by itself: not the
            gradient of what was computed, and unstable where the dynamics are stiff).
        checkpoints: states kept for the way back: None for all of them, with the stages of each
            step where there are few, "sqrt" for one in √steps, or a number of states, which a
            binomial schedule reuses.
            Backpropagation keeps every operation, or as many segments' starts.
        keep_every: steps between the states that are returned; it divides `steps`.
        krylov: largest dimension of the Krylov spaces of "epi2".
        adaptive: whether steps are `dt`, dt/2, dt/4, …, as their error estimates ask for; the
            gradient is that of the steps that were accepted. "dopri5" and "tsit5" divide `dt`
            as they need in any case.
        tolerances: relative and absolute, of steps by error estimates.
        most_steps: bound of such steps, beyond which the states are not numbers; by default
            256 and 16 for each `dt`, and 100,000 of "dopri5" and "tsit5".
        groups: (n, F), 1 where a value of a state belongs to a field and 0 else: the relative
            tolerance is then of the size of the field, not of each value.
        axis: name of an enclosing `vmap` whose rows are to take the same steps.

    Raises:
        ValueError: an argument out of range.
        SolverError: E760, a scheme that the linear part, the gradient or steps by error
            estimates do not allow.
    """
    own = scheme_named(scheme)
    if gradient not in GRADIENTS:
        raise ValueError(f"no gradient {gradient!r}; there are {', '.join(GRADIENTS)}")
    if jnp.ndim(state) != 2:
        raise ValueError(f"states are rows (batch, n), not of shape {jnp.shape(state)}")
    state = jnp.asarray(state)
    parameters = jax.tree.map(_number, parameters)
    cheap = implicit is None or implicit.solves_by_products
    plan = make_plan(steps, keep_every, checkpoints, cheap=cheap)
    if gradient == "continuous_adjoint" and checkpoints is not None:
        raise ValueError("the continuous adjoint steps the state back and takes no checkpoints")
    if gradient == "backpropagation" and own.kind == "adaptive" and checkpoints is not None:
        raise ValueError(f"checkpoints of {own.name} belong to its discrete adjoint")
    if adaptive and own.kind != "adaptive":
        _refuse_adaptive(own, gradient, checkpoints, steps)
    dt, start = jax.lax.stop_gradient((dt, start))
    time = jnp.zeros((), state.dtype)
    # What the functions close over becomes part of their tree, to be differentiated like the
    # parameters and to travel through `jit` and `scan`.
    if explicit is not None:
        explicit = eqx.filter_closure_convert(explicit, time, state, parameters)
    if forcing is not None:
        forcing = eqx.filter_closure_convert(forcing, time, parameters)
    table = None if implicit is None else implicit.table(parameters)
    report = _report(own, implicit, dt, gradient, adaptive=adaptive)
    if own.kind == "adaptive":
        states, counted = by_diffrax(
            own.name,
            state,
            Dynamics(explicit, forcing, parameters, table),
            None if implicit is None else _kind(implicit),
            plan,
            start,
            dt,
            gradient,
            checkpoints,
            tolerances,
            most_steps or 100_000,
        )
        return Trajectory(states, Evaluations(-1, -1), counted, report)
    method = make_method(own, linear=explicit is None, krylov=krylov)
    if adaptive:
        assert isinstance(method, AdditiveMethod | ImplicitMethod)
        most = most_steps or most_steps_of(steps)
        states, end, taken = embedded(
            (state, Dynamics(explicit, forcing, parameters, table)),
            None if implicit is None else _kind(implicit),
            method,
            plan,
            start,
            dt,
            Ladder(*tolerances, most, groups, axis),
            by_adjoint=gradient == "discrete_adjoint",
        )
        numbers = jax.lax.stop_gradient(taken.numbers)
        tried = numbers[0] + numbers[1]
        counted = jax.lax.stop_gradient(end[-1]) if own.stages == 0 else own.stages * tried
        return Trajectory(states, Evaluations(-1, -1), counted, report, numbers)
    if own.kind == "exponential":
        table = _phi_tables(own, implicit, table, dt)
    dynamics = Dynamics(explicit, forcing, parameters, table)
    operator = None if implicit is None else _kind(implicit)
    if gradient == "backpropagation":
        system = make_system(dynamics, operator, method.coefficients, start, dt, traced=True)
        if checkpoints is None:
            states, end, _ = forwards(method, state, system, plan, save=False)
        else:
            states, end = forwards_again(method, state, system, plan)
    elif gradient == "discrete_adjoint":
        states, end = _discrete((state, dynamics), operator, method, plan, start, dt)
    elif isinstance(method, AdditiveMethod):
        states, end = continuous((state, dynamics), operator, method, plan, start, dt)
    else:
        raise SolverError(
            f"the continuous adjoint steps by Runge-Kutta pairs, and {own.name} is none",
            code="E760",
            advice="take the discrete adjoint, or an IMEX, explicit or adaptive scheme",
        )
    if gradient == "discrete_adjoint":
        report += f", {plan.words}"
    evaluations = count_evaluations(scheme, steps, gradient, checkpoints)
    counted = jax.lax.stop_gradient(end[-1]) if isinstance(method, ImplicitMethod) else None
    return Trajectory(states, evaluations, counted, report)


def _refuse_adaptive(
    scheme: RolloutScheme, gradient: str, checkpoints: str | int | None, steps: int
) -> None:
    if not scheme.estimates_error:
        raise SolverError(
            f"a step of {scheme.name} does not estimate its error, and cannot be chosen by it",
            code="E760",
            advice="take an IMEX or diagonally implicit Runge-Kutta scheme, or equal steps",
        )
    if gradient == "continuous_adjoint":
        raise SolverError(
            f"the continuous adjoint of {scheme.name} takes equal steps",
            code="E760",
            advice="take the discrete adjoint, or equal steps",
        )
    if checkpoints is not None:
        raise ValueError("steps by error estimates keep a state in √most_steps; no `checkpoints`")
    if steps >= 2 ** (31 - LEVELS):
        raise ValueError(f"adaptive steps divide fewer than {2 ** (31 - LEVELS):,} `steps`")


def _number(leaf: Any) -> Any:
    """A differentiated Python number as an array: a custom rule would be given it bare."""
    if eqx.is_inexact_array(leaf) and jnp.ndim(leaf) == 0:
        return jax.lax.mul(leaf, jnp.ones((), leaf.dtype))
    return leaf


def _report(
    scheme: RolloutScheme, implicit: ImplicitOperator | None, dt: Any, gradient: str,
    *, adaptive: bool,
) -> str:  # fmt: skip
    sizes = ", Δt/2, Δt/4, …" if adaptive else ""
    step = f" with Δt = {dt:g}{sizes}" if isinstance(dt, float) else ""
    part = "no linear part"
    if implicit is not None:
        explicit = scheme.kind == "adaptive" or not (
            scheme.tableau is None or np.any(np.diag(scheme.tableau.implicit))
        )
        part = f"linear part {'explicit' if explicit else implicit.words}"
    return f"{scheme.name}{step}; {part}; gradient by {gradient.replace('_', ' ')}"


def _phi_tables(
    scheme: RolloutScheme, implicit: ImplicitOperator | None, table: Any, dt: Any
) -> tuple[Any, ...]:
    if implicit is None or not implicit.has_phi:
        kind = "there is none" if implicit is None else f"it is {implicit.words}"
        raise SolverError(
            f"{scheme.name} needs φ functions of the stiff part, and {kind}",
            code="E760",
            advice="take an IMEX method, or a stiff part that is diagonal, periodic or dense",
        )
    return (*implicit.phi_tables(table, dt), *implicit.phi_tables(table, dt / 2)[:2])


def _kind(implicit: ImplicitOperator) -> ImplicitOperator:
    """The operator without its values, which are in the dynamics; its factors are constants."""
    values = implicit.values
    return constant(
        eqx.tree_at(lambda o: o.values, implicit, None, is_leaf=lambda leaf: leaf is values)
    )


@eqx.filter_custom_vjp
def _discrete(
    differentiated: tuple[Array, Dynamics],
    operator: ImplicitOperator | None,
    method: Method,
    plan: Plan,
    start: Any,
    dt: Any,
) -> tuple[Array, Any]:
    """The states, and what is carried in the end, which is not differentiated."""
    state, dynamics = differentiated
    system = make_system(dynamics, operator, method.coefficients, start, dt, traced=False)
    return forwards(method, state, system, plan, save=False)[:2]


@_discrete.def_fwd
def _discrete_forwards(
    perturbed: Any,
    differentiated: tuple[Array, Dynamics],
    operator: ImplicitOperator | None,
    method: Method,
    plan: Plan,
    start: Any,
    dt: Any,
) -> tuple[Any, Any]:
    del perturbed
    state, dynamics = differentiated
    system = make_system(dynamics, operator, method.coefficients, start, dt, traced=False)
    states, end, saved = forwards(method, state, system, plan, save=True)
    return (states, end), (saved, system.factors)


@_discrete.def_bwd
def _discrete_backwards(
    residuals: Any,
    cotangent: Any,
    perturbed: Any,
    differentiated: tuple[Array, Dynamics],
    operator: ImplicitOperator | None,
    method: Method,
    plan: Plan,
    start: Any,
    dt: Any,
) -> tuple[Array, Dynamics]:
    saved, factors = residuals
    state, dynamics = differentiated
    system = System(
        dynamics, operator, method.coefficients, factors, start, dt, traced=method.traced
    )
    like = jax.eval_shape(method.begin, state)
    return reverse(method, saved, cotangent[0], system, plan, perturbed[1], like)
