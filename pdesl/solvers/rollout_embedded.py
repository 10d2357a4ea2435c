"""Steps of Runge-Kutta pairs by their error estimates: Δt, Δt/2, Δt/4, …, and their adjoint.

A step of size Δt/2ᵏ starts at a multiple of itself, so that the ends of all Δt are met, and only
so many factors of I − γ J are ever needed: a factor is made when the size changes and serves
until it changes again. Which sizes are taken is found forwards and not differentiated; the
gradient is that of the steps that were accepted, by the method's own adjoint.

Every `Ladder.segment`-th state is kept. On the way back a segment is stepped through again along
the sizes known by then, its stages are kept, and its steps are pulled back one by one.
"""

from __future__ import annotations

from typing import Any, Protocol

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from pdesl.solvers.implicit_operators import ImplicitOperator
from pdesl.solvers.rollout_reverse import Plan
from pdesl.solvers.rollout_system import Dynamics, Method, System, add, constant

__all__ = ["LEVELS", "EmbeddedMethod", "Ladder", "Taken", "embedded", "most_steps_of", "shifts"]

#: The smallest step is Δt/2^LEVELS.
LEVELS = 12
SAFETY = 0.9
# Halvings at once after a step that was refused.
MOST_HALVINGS = 4


class EmbeddedMethod(Method, Protocol):
    """A method whose steps estimate their error."""

    @property
    def order(self) -> int:
        """p; the estimate falls as Δt^p."""
        ...

    @property
    def stages(self) -> int:
        """Evaluations of a step; 0 where what is carried counts them."""
        ...

    def attempt(self, n: Any, carried: Any, system: System) -> tuple[Any, Array]:
        """What is carried after step n, and the estimate of its error, of the state's shape."""
        ...


class Ladder(eqx.Module):
    """How steps are chosen.

    Attributes:
        rtol, atol: a step is accepted where every row has root mean square of
            e/(atol + rtol s) ≤ 1, s the larger of |u| before and after the step.
        most: bound of the number of accepted steps.
        groups: (n, F), 1 where a value of a state belongs to a field and 0 else; s is then no
            smaller than the root mean square of the field in the row. None: every value for
            itself.
        axis: of an enclosing `vmap`, whose rows take the same steps.
    """

    rtol: float = eqx.field(static=True)
    atol: float = eqx.field(static=True)
    most: int = eqx.field(static=True)
    groups: Array | None = None
    axis: str | None = eqx.field(static=True, default=None)

    def segment(self, stages: int) -> int:
        """Steps between kept states: where those and the stages of a segment are as many."""
        return max(1, round((self.most / max(stages, 1)) ** 0.5))


class Taken(eqx.Module):
    """The steps that were taken.

    Attributes:
        exponents: (most,) of their sizes Δt 2^(exponent − LEVELS), as many as `accepted`.
        accepted, tried: numbers of steps.
        finished: whether they reach the end.
    """

    exponents: Array
    accepted: Array
    tried: Array
    finished: Array

    @property
    def numbers(self) -> Array:
        """Accepted, refused, and the exponent of the smallest step."""
        known = jnp.arange(len(self.exponents)) < self.accepted
        least = jnp.min(jnp.where(known, self.exponents, LEVELS))
        return jnp.stack([self.accepted, self.tried - self.accepted, least])


def most_steps_of(steps: int) -> int:
    """The bound for so many Δt, where no other is asked for: a fast start, and some in each."""
    return 256 + 16 * steps


def shifts(coefficients: tuple[float, ...], dt: float) -> tuple[float, ...]:
    """γ Δt/2ᵏ of every size."""
    return tuple(c * (dt * 2.0**-k) for c in coefficients for k in range(LEVELS + 1))


class _Rungs(eqx.Module):
    """Systems for every size of step."""

    dynamics: Dynamics
    operator: ImplicitOperator | None
    coefficients: tuple[float, ...] = eqx.field(static=True)
    start: Any
    dt: Any
    traced: bool = eqx.field(static=True)

    def _factor(self, exponent: Any) -> tuple[Any, ...]:
        operator = self.operator
        assert operator is not None
        sizes = [self.dt * 2.0 ** (e - LEVELS) for e in range(LEVELS + 1)]
        found = []
        for c in self.coefficients:
            own = [c * size for size in sizes]
            if all(isinstance(s, float) and s in operator.stored for s in own):
                stored = [operator.stored[s] for s in own]
                found.append(
                    jax.lax.switch(exponent, [lambda f=f: jax.tree.map(jnp.asarray, f)
                                              for f in stored])
                )  # fmt: skip
            else:
                table = jax.tree.map(jnp.asarray, constant(self.dynamics.table))
                found.append(operator.make_factor(table, c * self.size(exponent)))
        return tuple(found)

    def size(self, exponent: Any) -> Any:
        return self.dt * jnp.exp2(jnp.asarray(exponent - LEVELS, jnp.result_type(float)))

    def first(self, exponent: Any) -> Any:
        """The held factors of a size."""
        held = jnp.asarray(exponent, jnp.int32)
        return (held, ()) if self.operator is None else (held, self._factor(held))

    def at(self, exponent: Any, held: Any, like: Array) -> tuple[System, Any]:
        """The system of a size, with the factors that are held or new ones."""
        before, factors = held
        if self.operator is not None:
            factors = jax.lax.cond(
                before == exponent, lambda: factors, lambda: self._factor(exponent)
            )
        dt = self.size(exponent).astype(like.dtype)
        system = System(
            self.dynamics, self.operator, self.coefficients, factors, self.start, dt, self.traced
        )
        return system, (exponent, factors)


def _put(buffers: Any, values: Any, place: Any) -> Any:
    return jax.tree.map(
        lambda b, x: jax.lax.dynamic_update_index_in_dim(b, x.astype(b.dtype), place, 0),
        buffers, values,
    )  # fmt: skip


def _buffers(count: int, like: Any) -> Any:
    return jax.tree.map(lambda x: jnp.zeros((count, *x.shape), x.dtype), like)


def _places(plan: Plan) -> tuple[int, int]:
    """Units Δt/2^LEVELS of the whole course, and between kept states."""
    return plan.steps << LEVELS, plan.every << LEVELS


def _error(error: Array, state: Array, new: Array, ladder: Ladder) -> Array:
    """The error of a step against the tolerance, of the worst row."""
    size = jnp.maximum(jnp.abs(state), jnp.abs(new))
    if ladder.groups is not None:
        members = ladder.groups.astype(size.dtype)
        squares = size**2 @ members / jnp.maximum(jnp.sum(members, axis=0), 1)
        size = jnp.maximum(size, jnp.sqrt(squares) @ members.T)
    share = error / (ladder.atol + ladder.rtol * size)
    found = jnp.max(jnp.sqrt(jnp.mean(share**2, axis=1)))
    # What is not a number compares as too much.
    found = jnp.where(jnp.isfinite(found), found, jnp.inf)
    return found if ladder.axis is None else jax.lax.pmax(found, ladder.axis)


def _choose(
    method: EmbeddedMethod, state: Array, rungs: _Rungs, plan: Plan, ladder: Ladder
) -> tuple[Array, Any, Taken, Any]:
    """Kept states, what is carried in the end, the steps, and (states, places) of segments."""
    total, every = _places(plan)
    segment = ladder.segment(method.stages)
    spare = -(-ladder.most // segment)
    carried = method.begin(state)
    kept = jnp.zeros((plan.steps // plan.every + 1, *state.shape), state.dtype).at[0].set(state)
    top = jnp.asarray(LEVELS, jnp.int32)
    zero = jnp.zeros((), jnp.int32)
    first = (
        zero, top, rungs.first(top), carried, zero, zero, kept,
        jnp.zeros(ladder.most, jnp.int32), _buffers(spare + 1, (carried, zero)),
    )  # fmt: skip

    def unfinished(carry: Any) -> Array:
        place, exponent, _, _, accepted = carry[:5]
        return (place < total) & (exponent >= 0) & (accepted < ladder.most)

    def body(carry: Any) -> Any:
        place, exponent, held, carried, accepted, tried, kept, exponents, saved = carry
        slot = jnp.where(accepted % segment == 0, accepted // segment, spare)
        saved = _put(saved, (carried, place), slot)
        system, held = rungs.at(exponent, held, state)
        new, error = method.attempt(place >> exponent, carried, system)
        off = _error(error, carried[0], new[0], ladder)
        good = off <= 1.0
        share = SAFETY * jnp.maximum(off, 1e-10) ** (-1.0 / method.order)
        wanted = jnp.floor(jnp.log2(jnp.maximum(share, 1e-6))).astype(jnp.int32)
        end = place + (1 << exponent)
        wider = (wanted >= 1) & (exponent < LEVELS) & (end % (2 << exponent) == 0)
        refused = exponent + jnp.clip(wanted, -MOST_HALVINGS, -1)
        after = jnp.where(good, exponent + wider, refused).astype(jnp.int32)
        carried = jax.tree.map(lambda a, b: jnp.where(good, a, b), new, carried)
        exponents = exponents.at[accepted].set(exponent)
        place = jnp.where(good, end, place)
        kept = _put(kept, carried[0], (place + every - 1) // every)
        return (
            place, after, held, carried, accepted + good, tried + 1, kept, exponents, saved,
        )  # fmt: skip

    found = jax.lax.while_loop(unfinished, body, first)
    place, _, _, carried, accepted, tried, kept, exponents, saved = found
    finished = place >= total
    # Where the end is not reached, nothing behind the start is a solution.
    kept = jnp.where(finished, kept, jnp.full_like(kept, jnp.nan).at[0].set(state))
    return kept, carried, Taken(exponents, accepted, tried, finished), saved


def embedded(
    differentiated: tuple[Array, Dynamics],
    operator: ImplicitOperator | None,
    method: EmbeddedMethod,
    plan: Plan,
    start: Any,
    dt: Any,
    ladder: Ladder,
    *,
    by_adjoint: bool,
) -> tuple[Array, Any, Taken]:
    """States at every `plan.every`-th multiple of Δt, what is carried in the end, the steps.

    Where the error is too large at the smallest step, or the steps are too many, the states
    are not numbers.

    Args:
        by_adjoint: whether gradients come from the method's adjoint; else JAX differentiates the
            accepted steps, backwards or forwards.
    """
    if by_adjoint:
        return _adjoint(differentiated, operator, method, plan, start, dt, ladder)
    state, dynamics = differentiated
    known = constant((state, dynamics))
    rungs = _Rungs(known[1], operator, method.coefficients, start, dt, traced=False)
    _, _, taken, _ = _choose(method, known[0], rungs, plan, ladder)
    rungs = _Rungs(dynamics, operator, method.coefficients, start, dt, traced=True)
    kept, carried = _along(method, state, rungs, plan, ladder, constant(taken))
    return kept, carried, taken


def _along(
    method: EmbeddedMethod, state: Array, rungs: _Rungs, plan: Plan, ladder: Ladder, taken: Taken
) -> tuple[Array, Any]:
    """The known steps once more, for JAX to differentiate; segments are computed again."""
    every = _places(plan)[1]
    segment = ladder.segment(method.stages)
    count = -(-ladder.most // segment)
    exponents = jnp.pad(taken.exponents, (0, count * segment - ladder.most))
    kept = jnp.zeros((plan.steps // plan.every + 1, *state.shape), state.dtype).at[0].set(state)
    zero = jnp.zeros((), jnp.int32)

    def step(carry: Any, item: Any) -> tuple[Any, None]:
        number, exponent = item

        def move(carry: Any) -> Any:
            place, held, carried, kept = carry
            system, held = rungs.at(exponent, held, state)
            carried, _ = method.step(place >> exponent, carried, system)
            place = place + (1 << exponent)
            return place, held, carried, _put(kept, carried[0], (place + every - 1) // every)

        return jax.lax.cond(number < taken.accepted, move, lambda c: c, carry), None

    @jax.checkpoint
    def run(carry: Any, items: Any) -> Any:
        return jax.lax.scan(step, carry, items)[0]

    def part(carry: Any, items: Any) -> tuple[Any, None]:
        return jax.lax.cond(items[0][0] < taken.accepted, run, lambda c, _: c, carry, items), None

    numbers = jnp.arange(count * segment).reshape(count, segment)
    first = zero, rungs.first(LEVELS), method.begin(state), kept
    found, _ = jax.lax.scan(part, first, (numbers, exponents.reshape(count, segment)))
    _, _, carried, kept = found
    return jnp.where(taken.finished, kept, jnp.full_like(kept, jnp.nan).at[0].set(state)), carried


@eqx.filter_custom_vjp
def _adjoint(
    differentiated: tuple[Array, Dynamics],
    operator: ImplicitOperator | None,
    method: EmbeddedMethod,
    plan: Plan,
    start: Any,
    dt: Any,
    ladder: Ladder,
) -> tuple[Array, Any, Taken]:
    state, dynamics = differentiated
    rungs = _Rungs(dynamics, operator, method.coefficients, start, dt, traced=False)
    return _choose(method, state, rungs, plan, ladder)[:3]


@_adjoint.def_fwd
def _adjoint_forwards(
    perturbed: Any,
    differentiated: tuple[Array, Dynamics],
    operator: ImplicitOperator | None,
    method: EmbeddedMethod,
    plan: Plan,
    start: Any,
    dt: Any,
    ladder: Ladder,
) -> tuple[Any, Any]:
    del perturbed
    state, dynamics = differentiated
    rungs = _Rungs(dynamics, operator, method.coefficients, start, dt, traced=False)
    kept, carried, taken, saved = _choose(method, state, rungs, plan, ladder)
    return (kept, carried, taken), (taken, saved)


@_adjoint.def_bwd
def _adjoint_backwards(
    residuals: Any,
    cotangent: Any,
    perturbed: Any,
    differentiated: tuple[Array, Dynamics],
    operator: ImplicitOperator | None,
    method: EmbeddedMethod,
    plan: Plan,
    start: Any,
    dt: Any,
    ladder: Ladder,
) -> tuple[Array, Dynamics]:
    taken, (states, places) = residuals
    state, dynamics = differentiated
    rungs = _Rungs(dynamics, operator, method.coefficients, start, dt, traced=method.traced)
    wanted = perturbed[1]
    every = _places(plan)[1]
    segment = ladder.segment(method.stages)
    given = cotangent[0]
    carried = jax.eval_shape(method.begin, state)
    zero = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), carried)
    total = jax.tree.map(jnp.zeros_like, eqx.filter(dynamics, wanted))
    held = rungs.first(LEVELS)

    def stored_of(n: Any, carried: Any) -> Any:
        return method.step(n, carried, rungs.at(LEVELS, held, state)[0])[1]

    shapes = jax.eval_shape(stored_of, jnp.zeros((), jnp.int32), zero)

    def pull_segment(number: Any, carry: Any) -> Any:
        back, total, held = carry
        index = (taken.accepted - 1) // segment - number
        first = index * segment
        length = jnp.minimum(segment, taken.accepted - first)

        def ahead(r: Any, inner: Any) -> Any:
            place, held, carried, stored, ends = inner
            exponent = taken.exponents[first + r]
            system, held = rungs.at(exponent, held, state)
            carried, own = method.step(place >> exponent, carried, system)
            place = place + (1 << exponent)
            return place, held, carried, _put(stored, own, r), ends.at[r].set(place)

        begin = jax.tree.map(lambda x: x[index], states)
        inner = (
            places[index], held, begin, _buffers(segment, shapes), jnp.zeros(segment, jnp.int32),
        )  # fmt: skip
        _, held, _, stored, ends = jax.lax.fori_loop(0, length, ahead, inner)

        def pull(r: Any, inner: Any) -> Any:
            back, total, held = inner
            r = length - 1 - r
            exponent, end = taken.exponents[first + r], ends[r]
            own = jnp.where(end % every == 0, given[end // every], 0)
            system, held = rungs.at(exponent, held, state)
            n = (end - (1 << exponent)) >> exponent
            back = (back[0] + own, *back[1:])
            saved = jax.tree.map(lambda b: b[r], stored)
            back, part = method.pull(n, saved, back, system, wanted)
            return back, add(total, part), held

        return jax.lax.fori_loop(0, length, pull, (back, total, held))

    count = -(-taken.accepted // segment)
    back, total, _ = jax.lax.fori_loop(0, count, pull_segment, (zero, total, held))
    _, to_state = jax.vjp(method.begin, jnp.zeros_like(back[0]))
    # A course that does not reach the end has no gradient.
    broken = jnp.where(taken.finished, 0.0, jnp.nan).astype(state.dtype)
    total = jax.tree.map(lambda x: x + broken.astype(x.dtype), total)
    return to_state(back)[0] + given[0] + broken, total
