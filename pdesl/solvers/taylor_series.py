"""Integration of nonstiff ordinary differential equations by their Taylor series.

One step from (t, z) computes the coefficients z₀, …, z_K of the solution (`flow`), chooses its
length from their decay and evaluates the polynomial. Coefficients come scaled by
atol + rtol |z|, with ‖·‖ the largest component:

    h = min over k = K−1, K of (1/‖z_k‖)^(1/k),

so that the last two terms of the series are below the tolerance. The step is verified at its end:
the first coefficient of the next expansion is f there, and the defect p′(h) − f(t + h, p(h))
costs nothing more. The next order is the one, of a few on offer, that covers most time for the
work K² + cK that its coefficients cost, predicted from the decay of the present ones.

The polynomial is the dense output: values at given times cost no step.

Source: À. Jorba, M. Zou, A software package for the numerical integration of ODEs by means of
high-order Taylor methods, Experimental Mathematics 14, 2005, sections 3.2 and 3.3.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.core import Tracer
from jax.flatten_util import ravel_pytree

from pdesl.lowering.jets.flow import Dynamics, flow_coefficients

__all__ = ["ORDERS", "TaylorSolution", "taylor_series", "taylor_steps"]

#: Orders that the integrator chooses from; every one is compiled.
ORDERS = (6, 10, 16)
# Work of a coefficient beside its convolutions, in units of one convolution's term: evaluations of
# matrices and the overhead of an operation.
_LINEAR_WORK = 8.0
# Part of the step that the decay of the coefficients suggests; and how far the defect may exceed
# the tolerance before a step is taken back.
_SAFETY = 0.9
_DEFECT = 10.0


class TaylorSolution(eqx.Module):
    """The solution at the requested times, and what it cost.

    `states` has the times as first axis of every leaf. `evaluations` counts the coefficients
    computed, each as much matrix work as one evaluation of the right-hand side. `success` is
    False where steps ran out, became too small, or a value was not finite; the states from there
    on are NaN.
    """

    times: Array
    states: Any
    steps: Array
    rejected: Array
    evaluations: Array
    last_order: Array
    success: Array


class _State(eqx.Module):
    """Where the integration stands: the expansion about (t, z), and the step it allows."""

    time: Array
    coefficients: Array
    choice: Array
    length: Array
    steps: Array
    rejected: Array
    evaluations: Array
    failed: Array


def _polynomial(coefficients: Array, h: Array) -> Array:
    """Σ z_k h^k by Horner's scheme."""
    result = coefficients[-1]
    for k in range(coefficients.shape[0] - 2, -1, -1):
        result = result * h + coefficients[k]
    return result


def _slope(coefficients: Array, h: Array) -> Array:
    count = coefficients.shape[0]
    factors = jnp.arange(1, count, dtype=coefficients.dtype)
    return _polynomial(coefficients[1:] * factors[:, None], h)


class _Method(eqx.Module):
    """One integration's right-hand side, orders and tolerances."""

    dynamics: Dynamics = eqx.field(static=True)
    orders: tuple[int, ...] = eqx.field(static=True)
    rtol: float = eqx.field(static=True)
    atol: float = eqx.field(static=True)

    def scale(self, state: Array) -> Array:
        return self.atol + self.rtol * jnp.max(jnp.abs(state))

    def expand(self, choice: Array, time: Array, state: Array) -> Array:
        """(K_max + 1, n): coefficients up to the chosen order, zero above."""

        def of(order: int) -> Any:
            return lambda time, state: self.expanded(order, time, state)

        if len(self.orders) == 1:
            return of(self.orders[0])(time, state)
        return lax.switch(choice, [of(order) for order in self.orders], time, state)

    def expanded(self, order: int, time: Array, state: Array) -> Array:
        found = jnp.stack(flow_coefficients(self.dynamics, time, state, order))
        return jnp.pad(found, ((0, self.orders[-1] - order), (0, 0)))

    def allowed(self, coefficients: Array, choice: Array) -> tuple[Array, Array]:
        """The length of the step that the present order allows, and the next order."""
        scale = self.scale(coefficients[0])
        # log ‖z_k‖ relative to the tolerance; −∞ for coefficients that vanish.
        sizes = jnp.log(jnp.max(jnp.abs(coefficients), axis=1) / scale)
        orders = jnp.asarray(self.orders)
        order = orders[choice]
        last = sizes[order]
        # The even coefficients of some solutions vanish: decay is judged by the larger of two.
        decay = -0.5 * jnp.maximum(
            last - sizes[order - 2], sizes[order - 1] - sizes[jnp.maximum(order - 3, 1)]
        )

        def length(k: Array, size: Array) -> Array:
            return -size / k

        def predicted(target: Array) -> Array:
            """log h at another order, by its own coefficients or by extrapolation."""
            known = jnp.minimum(
                length(target, sizes[target]), length(target - 1, sizes[target - 1])
            )
            beyond = target - order
            top = jnp.maximum(last, sizes[order - 1] - decay)
            return jnp.where(beyond <= 0, known, length(target, top - beyond * decay))

        logarithms = jax.vmap(predicted)(orders)
        work = orders * (orders + _LINEAR_WORK)
        gain = jnp.where(jnp.isnan(logarithms), -jnp.inf, logarithms - jnp.log(1.0 * work))
        # Neighbouring orders only: an extrapolation over many orders is a guess.
        near = jnp.abs(jnp.arange(len(self.orders)) - choice) <= 1
        following = jnp.argmax(jnp.where(near, gain, -jnp.inf))
        return _SAFETY * jnp.exp(logarithms[choice]), following.astype(jnp.int32)


def taylor_series(
    dynamics: Dynamics,
    state: Any,
    times: Any,
    *,
    rtol: float = 1e-9,
    atol: float = 1e-12,
    orders: Sequence[int] = ORDERS,
    most_steps: int = 100_000,
) -> TaylorSolution:
    """The solution of z′ = f(t, z), z(times[0]) = `state`, at the given times.

    Args:
        dynamics: f(t, z) of pytrees; smooth along the solution, for kinks are expanded to the
            right and a step that crosses one is taken back until it is short.
        state: the initial state, a pytree of arrays.
        times: (m,), increasing, the first is where the state is given.
        rtol: relative to the largest component of the state.
        atol: absolute.
        orders: orders to choose from, at least 3 each; a single one fixes the order.
        most_steps: most steps of the whole integration.

    Returns:
        See `TaylorSolution`. Works under `jit` and `vmap` and in forward mode; the number of
        steps is not known beforehand, so reverse mode needs `taylor_steps`.

    Raises:
        ValueError: tolerances, orders or times that make no sense.
        UnsupportedPrimitive: see `flow_coefficients`.
    """
    chosen = tuple(sorted(set(orders)))
    if not chosen or chosen[0] < 3:
        raise ValueError(f"a Taylor integrator takes orders of at least 3, not {tuple(orders)}")
    if rtol < 0 or atol < 0 or rtol + atol == 0:
        raise ValueError(f"tolerances rtol = {rtol:g}, atol = {atol:g} can never be met")
    if np.ndim(times) != 1 or np.shape(times)[0] < 1:
        raise ValueError("the times are a list, the first of which is where the state is given")
    flat, restore = ravel_pytree(jax.tree.map(jnp.asarray, state))
    if not jnp.issubdtype(flat.dtype, jnp.floating):
        flat = flat.astype(float)
    clock = jnp.asarray(times, flat.dtype)
    if not isinstance(clock, Tracer) and np.any(np.diff(np.asarray(clock)) <= 0):
        raise ValueError("the times have to increase")

    def right(time: Any, values: Any) -> Any:
        slopes = dynamics(time, restore(values))
        return ravel_pytree(slopes)[0].astype(values.dtype)

    method = _Method(right, chosen, rtol, atol)
    wanted = -0.5 * np.log(max(rtol, atol, 1e-16)) + 1.0  # Jorba and Zou, equation 3-10
    number = int(np.argmin(np.abs(np.array(chosen) - wanted)))
    first = jnp.asarray(number, jnp.int32)
    begun = method.expanded(chosen[number], clock[0], flat)
    length, _ = method.allowed(begun, first)
    zero = jnp.zeros((), jnp.int32)
    used = jnp.asarray(chosen, jnp.int32)
    initial = _State(
        clock[0], begun, first, length, zero, zero, used[first], ~jnp.all(jnp.isfinite(begun))
    )

    def step(now: _State) -> _State:
        h = now.length
        time, values = now.time + h, _polynomial(now.coefficients, h)
        _, following = method.allowed(now.coefficients, now.choice)
        after = method.expand(following, time, values)
        defect = jnp.max(jnp.abs(_slope(now.coefficients, h) - after[1])) * h / used[now.choice]
        finite = jnp.all(jnp.isfinite(after))
        good = finite & (defect <= _DEFECT * method.scale(values))
        allowed, _ = method.allowed(after, following)
        # A solution that the series knows exactly (a polynomial) still takes finite steps.
        allowed = jnp.minimum(allowed, clock[-1] - clock[0] + 1.0)
        small = h <= 16 * jnp.finfo(flat.dtype).eps * jnp.maximum(jnp.abs(now.time), 1e-300)
        pick = lambda a, b: jnp.where(good, a, b)  # noqa: E731
        count = now.steps + good
        return _State(
            pick(time, now.time),
            pick(after, now.coefficients),
            pick(following, now.choice),
            pick(allowed, 0.5 * h),
            count,
            now.rejected + ~good,
            now.evaluations + used[following],
            (~good & small) | (count + now.rejected >= most_steps),
        )

    def to_time(now: _State, target: Array) -> tuple[_State, Array]:
        ahead = lambda s: (s.time + s.length < target) & ~s.failed  # noqa: E731
        now = lax.while_loop(ahead, step, now)
        values = _polynomial(now.coefficients, target - now.time)
        reached = ~now.failed & jnp.isfinite(now.length)
        return now, jnp.where(reached, values, jnp.nan)

    capped = eqx.tree_at(
        lambda s: s.length, initial, jnp.minimum(length, clock[-1] - clock[0] + 1.0)
    )
    last, values = lax.scan(to_time, capped, clock)
    return TaylorSolution(
        clock,
        jax.vmap(restore)(values),
        last.steps,
        last.rejected,
        last.evaluations,
        used[last.choice],
        jnp.all(jnp.isfinite(values)),
    )


def taylor_steps(
    dynamics: Dynamics, state: Any, start: Any, step: Any, count: int, order: int
) -> Any:
    """`count` steps of fixed length and order: the states at start + step·(0, 1, …, count).

    Args:
        dynamics: f(t, z).
        state: z(start).
        start: the first time.
        step: the length of a step, of either sign.
        count: how many.
        order: of the series, at least 1; the global error is O(stepᵒʳᵈᵉʳ).

    Returns:
        The state's pytree with an axis of count + 1 times in front. Differentiable in all modes.

    Raises:
        ValueError: a count or an order below 1.
    """
    if count < 1 or order < 1:
        raise ValueError(f"{count} steps of order {order} are no integration")
    state = jax.tree.map(jnp.asarray, state)
    start = jnp.asarray(start, jnp.result_type(float, *jax.tree.leaves(state)))

    def advance(now: Any, number: Array) -> tuple[Any, Any]:
        series = flow_coefficients(dynamics, start + number * step, now, order)
        following = series[-1]
        for coefficient in series[-2::-1]:
            following = jax.tree.map(
                lambda a, b: (a * step + b).astype(b.dtype), following, coefficient
            )
        return following, following

    _, states = lax.scan(advance, state, jnp.arange(count, dtype=start.dtype))
    return jax.tree.map(lambda first, rest: jnp.concatenate([first[None], rest]), state, states)
