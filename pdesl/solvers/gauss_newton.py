"""Levenberg-Marquardt with geodesic acceleration: the residuals of a loss, linearised.

For a loss ‖r(θ)‖² with the Jacobian J of r, a step is

    d = −(JᵀJ + μI)⁻¹ Jᵀr = −Jᵀ (JJᵀ + μI)⁻¹ r,

whichever matrix is the smaller one, factored by Cholesky; where both are large, by conjugate
gradients on products with J and Jᵀ alone. The step bends along the second derivative of r in its
direction, θ + d + a/2 with a = −(JᵀJ + μI)⁻¹ Jᵀ r_dd, and is tried only where 2‖a‖ ≤ 3/4 ‖d‖: a
step along which the residuals bend more is damped before anything is evaluated.
The damping μ follows the ratio of the actual to the predicted decrease.

Sources: H. B. Nielsen, "Damping parameter in Marquardt's method", Technical University of Denmark,
1999 (damping); M. K. Transtrum and J. P. Sethna, "Improvements to the Levenberg-Marquardt
algorithm for nonlinear least-squares minimization", 2012 (acceleration, eq. 15).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from pdesl.solvers.quasi_newton import NOT_FINITE, RUNNING, STUCK

__all__ = ["LevenbergMarquardt", "Residuals", "make_damped_block", "start_damped"]

#: Largest ratio 2‖a‖/‖d‖ of a step that is tried.
BEND = 0.75
#: Damping is raised so often before an iteration gives up.
MOST_TRIALS = 30


@dataclass(frozen=True, slots=True)
class LevenbergMarquardt:
    """Gauss-Newton steps with damping and geodesic acceleration.

    Attributes:
        damping: the first μ, as a fraction of the largest diagonal entry of JJᵀ or JᵀJ.
        acceleration: whether steps bend.
        largest: a matrix with at most so many rows is factored; beyond, steps come from
            conjugate gradients, without a matrix.
        inner: most iterations of conjugate gradients a step.
    """

    damping: float = 1e-2
    acceleration: bool = True
    largest: int = 5_000
    inner: int = 200


@dataclass(frozen=True, slots=True)
class Residuals:
    """What a loss is the sum of squares of.

    Attributes:
        vector: (parameters, data) → r (n,), with loss = ‖r‖²; differentiable forwards, twice.
        jacobian: (parameters, data) → J (n, p), columns in the order of the flattened pytree.
    """

    vector: Callable[[Any, Any], Array]
    jacobian: Callable[[Any, Any], Array]


class DampedState(eqx.Module):
    """Everything that one iteration hands to the next; every point is the best so far.

    While `fresh`, the loss at the point is not known and the next iteration only evaluates it.
    """

    best_point: Array
    best_value: Array
    best_aux: Any
    damping: Array
    growth: Array
    fresh: Array
    iteration: Array
    evaluations: Array
    status: Array


def start_damped(point: Array, aux: Any) -> DampedState:
    """The state before the first evaluation; `aux` is a pytree of the loss's auxiliary shape."""
    counter = jnp.zeros((), jnp.int32)
    return DampedState(
        best_point=point,
        best_value=jnp.full((), jnp.inf, point.dtype),
        best_aux=aux,
        damping=jnp.full((), -1.0, point.dtype),
        growth=jnp.full((), 2.0, point.dtype),
        fresh=jnp.ones((), bool),
        iteration=counter,
        evaluations=jnp.array(counter),
        status=jnp.full((), RUNNING, jnp.int32),
    )


class _Trial(eqx.Module):
    """A search for a damping whose step decreases the loss."""

    damping: Array
    growth: Array
    step: Array
    value: Array
    aux: Any
    accepted: Array
    count: Array
    evaluations: Array


class _Linear(eqx.Module):
    """r + J·step at one point, and how damped systems with J are solved."""

    point: Array
    residual: Array
    gradient: Array
    largest: Array
    jacobian: Array | None
    matrix: Array | None
    wide: bool = eqx.field(static=True)


def make_damped_block(
    options: LevenbergMarquardt,
    evaluate: Callable[[Array, Any], tuple[Array, Any]],
    residual: Callable[[Array, Any], Array],
    jacobian: Callable[[Array, Any], Array],
    capacity: int,
) -> Callable[[DampedState, Any, Array], tuple[DampedState, Array]]:
    """A function (state, data, stop_at) → (state, records) that iterates up to `stop_at`.

    Args:
        options: of the method.
        evaluate: (point, data) → (loss, aux).
        residual: (point, data) → (n,).
        jacobian: (point, data) → (n, p).
        capacity: most iterations of one call.

    Returns:
        The block. records[k] holds the loss after iteration number (first + k) of the call, the
        norm of the gradient that it started from, and the number of losses evaluated so far.
    """

    def linearised(point: Array, data: Any) -> _Linear:
        value = residual(point, data)
        rows, columns = value.size, point.size
        wide = rows <= columns
        if min(rows, columns) > options.largest:
            _, transposed = jax.vjp(lambda p: residual(p, data), point)
            (gradient,) = transposed(value)
            # ‖J g‖²/‖g‖² lies between the mean and the largest eigenvalue of JᵀJ.
            _, image = jax.jvp(lambda p: residual(p, data), (point,), (gradient,))
            square = jnp.maximum(gradient @ gradient, jnp.finfo(point.dtype).tiny)
            return _Linear(point, value, gradient, image @ image / square, None, None, wide)
        table = jacobian(point, data)
        matrix = table @ table.T if wide else table.T @ table
        largest = jnp.max(jnp.diagonal(matrix))
        return _Linear(point, value, value @ table, largest, table, matrix, wide)

    def solver(linear: _Linear, damping: Array, data: Any) -> Callable[[Array], Array]:
        """Maps residuals v to −(JᵀJ + μI)⁻¹ Jᵀ v."""
        table, matrix = linear.jacobian, linear.matrix
        if table is None or matrix is None:
            forward = jax.linearize(lambda p: residual(p, data), linear.point)[1]
            backward = jax.linear_transpose(forward, linear.point)

            def product(v: Array) -> Array:
                return backward(forward(v))[0] + damping * v

            def iterate(v: Array) -> Array:
                right = -backward(v)[0]
                return jax.scipy.sparse.linalg.cg(product, right, tol=1e-3, maxiter=options.inner)[
                    0
                ]

            return iterate
        diagonal = jnp.arange(matrix.shape[0])
        factor = jax.scipy.linalg.cho_factor(matrix.at[diagonal, diagonal].add(damping))

        def direct(v: Array) -> Array:
            if linear.wide:
                return -(jax.scipy.linalg.cho_solve(factor, v) @ table)
            return -jax.scipy.linalg.cho_solve(factor, v @ table)

        return direct

    def bend(point: Array, step: Array, data: Any) -> Array:
        """The second derivative of r along the step."""

        def slope(p: Array) -> Array:
            return jax.jvp(lambda q: residual(q, data), (p,), (step,))[1]

        return jax.jvp(slope, (point,), (step,))[1]

    def attempt(trial: _Trial, value: Array, linear: _Linear, data: Any) -> _Trial:
        solve = solver(linear, trial.damping, data)
        step = solve(linear.residual)
        norm = jnp.sqrt(step @ step)
        # ‖r‖² − ‖r + J d‖² = −2 dᵀJᵀr − ‖J d‖², and ‖J d‖² = −dᵀJᵀr − μ‖d‖².
        predicted = -(step @ linear.gradient) + trial.damping * norm**2
        straight = jnp.ones((), bool)
        if options.acceleration:
            second = solve(bend(linear.point, step, data))
            straight = 2.0 * jnp.sqrt(second @ second) <= BEND * norm
            step = step + 0.5 * second

        def tried(step: Array) -> tuple[Array, Any]:
            return evaluate(linear.point + step, data)

        shapes = jax.eval_shape(tried, step)
        new, aux = jax.lax.cond(
            straight & jnp.all(jnp.isfinite(step)),
            tried,
            lambda _: jax.tree.map(lambda s: jnp.full(s.shape, jnp.inf, s.dtype), shapes),
            step,
        )
        ratio = (value - new) / jnp.where(predicted > 0.0, predicted, 1.0)
        accepted = jnp.isfinite(new) & (new < value) & (predicted > 0.0)
        shrink = jnp.maximum(0.2, 1.0 - (2.0 * ratio - 1.0) ** 3)
        return _Trial(
            damping=trial.damping * jnp.where(accepted, shrink, trial.growth),
            growth=jnp.where(accepted, 2.0, 2.0 * trial.growth),
            step=step,
            value=new,
            aux=aux,
            accepted=accepted,
            count=trial.count + 1,
            evaluations=trial.evaluations + straight.astype(jnp.int32),
        )

    def advance(state: DampedState, data: Any) -> tuple[DampedState, Array]:
        linear = linearised(state.best_point, data)
        damping = jnp.where(state.damping < 0.0, options.damping * linear.largest, state.damping)
        start = _Trial(
            damping=damping,
            growth=state.growth,
            step=jnp.zeros_like(state.best_point),
            value=state.best_value,
            aux=state.best_aux,
            accepted=jnp.zeros((), bool),
            count=jnp.zeros((), jnp.int32),
            evaluations=state.evaluations,
        )
        norm = 2.0 * jnp.sqrt(linear.gradient @ linear.gradient)
        trial = jax.lax.while_loop(
            lambda t: ~t.accepted & (t.count < MOST_TRIALS) & (norm > 0.0),
            lambda t: attempt(t, state.best_value, linear, data),
            start,
        )

        def keep(new: Any, old: Any) -> Any:
            return jax.tree.map(lambda n, o: jnp.where(trial.accepted, n, o), new, old)

        found = DampedState(
            best_point=keep(state.best_point + trial.step, state.best_point),
            best_value=keep(trial.value, state.best_value),
            best_aux=keep(trial.aux, state.best_aux),
            damping=trial.damping,
            growth=trial.growth,
            fresh=state.fresh,
            iteration=state.iteration + 1,
            evaluations=trial.evaluations,
            status=jnp.where(trial.accepted, RUNNING, STUCK).astype(jnp.int32),
        )
        return found, norm

    def begin(state: DampedState, data: Any) -> tuple[DampedState, Array]:
        """The loss and its gradient at the start."""
        value, aux = evaluate(state.best_point, data)
        remainder, transposed = jax.vjp(lambda p: residual(p, data), state.best_point)
        gradient = 2.0 * transposed(remainder)[0]
        norm = jnp.sqrt(gradient @ gradient)
        finite = jnp.isfinite(value) & jnp.isfinite(norm)
        found = DampedState(
            best_point=state.best_point,
            best_value=value,
            best_aux=aux,
            damping=state.damping,
            growth=state.growth,
            fresh=jnp.zeros((), bool),
            iteration=state.iteration + 1,
            evaluations=state.evaluations + 1,
            status=jnp.where(finite, RUNNING, NOT_FINITE).astype(jnp.int32),
        )
        return found, norm

    def block(state: DampedState, data: Any, stop_at: Array) -> tuple[DampedState, Array]:
        first = state.iteration

        def goes_on(carry: tuple[DampedState, Array]) -> Array:
            return (carry[0].status == RUNNING) & (carry[0].iteration < stop_at)

        def iterate(carry: tuple[DampedState, Array]) -> tuple[DampedState, Array]:
            state, records = carry
            after, norm = jax.lax.cond(state.fresh, begin, advance, state, data)
            row = jnp.stack([after.best_value, norm, after.evaluations.astype(norm.dtype)])
            return after, records.at[state.iteration - first].set(row)

        records = jnp.zeros((capacity, 3), state.best_value.dtype)
        return jax.lax.while_loop(goes_on, iterate, (state, records))

    return block
