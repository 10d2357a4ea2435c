"""Driving a method forwards and its adjoint backwards, with all or few states kept.

Every driver keeps the states asked for (each `every`-th) in one buffer, into which a step writes
at ⌈(n+1)/every⌉: the last write to a slot is the right one.

Four ways to have the states again on the way back:

- *stages*: what `pull` needs of every step is kept; nothing is computed again.
- *states*: what every step starts from is kept; its stages are computed again when they are
  differentiated, with as many evaluations and more solves.
- *segments* of equal length: the state at each start is kept; a segment is stepped through again
  before it is pulled back. Memory is least for √N segments.
- *binomial*: a given number of states, moved about by the schedule that needs the fewest steps
  (A. Griewank and A. Walther, ACM Trans. Math. Softw. 26, 2000).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import comb, isqrt
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from pdesl.solvers.rollout_system import Method, System, add

__all__ = ["Plan", "binomial_schedule", "forwards", "forwards_again", "make_plan", "reverse"]


#: Steps up to which stages are kept: of few, activations of a large network are the more.
MOST_STAGED = 16


@dataclass(frozen=True, slots=True)
class Plan:
    """How many steps, which states are kept as results, and what is kept for the way back.

    Attributes:
        segment: steps of a segment; 0: something of every step is kept.
        slots: states of the binomial schedule; 0: none.
        states: whether what is kept of every step is the state alone.
    """

    steps: int
    every: int
    segment: int = 0
    slots: int = 0
    states: bool = False

    @property
    def repeated(self) -> int:
        """Steps that the way back takes forwards again."""
        if self.slots:
            schedule = binomial_schedule(self.steps, self.slots)
            return int(schedule[len(_first_way(schedule)) :, 1].sum()) + self.steps
        return self.steps if self.segment else 0

    @property
    def words(self) -> str:
        if self.slots:
            return f"{self.slots} states kept, {self.repeated} steps repeated"
        if self.segment:
            return f"a state kept every {self.segment} steps, {self.steps} steps repeated"
        return f"the {'state' if self.states else 'stages'} of every step kept"


def make_plan(steps: int, every: int, checkpoints: str | int | None, *, cheap: bool = True) -> Plan:
    """The plan for `checkpoints`: None, "sqrt", or a number of states.

    None keeps the stages of up to `MOST_STAGED` steps, or of any number where linear solves are
    not `cheap`, and the states of more.

    Raises:
        ValueError: numbers that are no such thing, or results that no step falls on.
    """
    if steps < 1:
        raise ValueError(f"a rollout has at least one step, not {steps}")
    if every < 1 or steps % every:
        raise ValueError(f"{steps} steps are no multiple of keep_every = {every}")
    if checkpoints is None:
        return Plan(steps, every, states=cheap and steps > MOST_STAGED)
    if checkpoints == "sqrt":
        return Plan(steps, every, segment=max(1, isqrt(steps - 1) + 1))
    if isinstance(checkpoints, bool) or not isinstance(checkpoints, int) or checkpoints < 1:
        raise ValueError(f'checkpoints is None, "sqrt" or a number of states, not {checkpoints!r}')
    return Plan(steps, every, slots=min(checkpoints, steps))


# -- the binomial schedule -----------------------------------------------------------------


def _split(length: int, slots: int) -> int:
    """Steps to advance before the next state is kept, `slots` of them free beside the first.

    With r the least number of repetitions for which β(s + 1, r) = C(s + 1 + r, s + 1) covers the
    length, a split into m and l − m steps is best where both parts lie between their own β for
    r − 1 and r (Griewank and Walther, proposition 1).
    """
    many = slots + 1
    rounds = 1
    while comb(many + rounds, many) < length:
        rounds += 1
    low = max(1, length - comb(many - 1 + rounds, many - 1))
    high = min(length - 1, comb(many + rounds - 1, many))
    best_low = comb(many + rounds - 2, many) if rounds > 1 else 1
    best_high = length - comb(many - 1 + rounds - 1, many - 1)
    return min(high, max(low, best_low, min(best_high, high)))


def binomial_schedule(steps: int, slots: int) -> np.ndarray:
    """Rows (from slot, steps to advance, to slot or −1 to pull, step).

    A row restores a slot, advances, and keeps the state in a slot or pulls the step that starts
    there back; the last entry is the step at which the row begins. Slot 0 holds the first state
    at the start.
    """
    rows: list[tuple[int, int, int, int]] = []
    # A stack in place of recursion: (first step, steps, slot of the first, free slots).
    stack = [(0, steps, 0, tuple(range(1, slots)))]
    while stack:
        first, length, held, free = stack.pop()
        if length == 1:
            rows.append((held, 0, -1, first))
        elif not free:
            rows.extend((held, k, -1, first) for k in reversed(range(length)))
        else:
            ahead = _split(length, len(free))
            rows.append((held, ahead, free[0], first))
            stack.append((first, ahead, held, free))
            stack.append((first + ahead, length - ahead, free[0], free[1:]))
    return np.asarray(rows, np.int32)


# -- forwards ------------------------------------------------------------------------------


def _kept_start(state: Array, plan: Plan) -> Array:
    empty = jnp.zeros((plan.steps // plan.every + 1, *state.shape), state.dtype)
    return empty.at[0].set(state)


def _scan(function: Any, start: Any, items: Any, length: int, *, reverse: bool = False) -> Any:
    """`lax.scan`, without a loop for one step."""
    if length != 1:
        return jax.lax.scan(function, start, items, length=length, reverse=reverse)
    end, out = function(start, jax.tree.map(lambda x: x[0], items))
    return end, jax.tree.map(lambda x: jnp.asarray(x)[None], out)


def _range(first: Any, length: int) -> Array:
    return first + jnp.arange(length, dtype=jnp.int32)


def _advance(
    method: Method, carried: Any, system: System, first: Any, length: int, *, save: bool
) -> tuple[Any, Any]:
    """`length` steps from step `first`."""

    def body(carry: Any, n: Array) -> tuple[Any, Any]:
        new, saved = method.step(n, carry, system)
        return new, saved if save else None

    return _scan(body, carried, _range(first, length), length)


def forwards(
    method: Method, state: Array, system: System, plan: Plan, *, save: bool
) -> tuple[Array, Any, Any]:
    """States (steps // every + 1, batch, n), what is carried in the end, what `reverse` needs."""
    carried = method.begin(state)
    slots = plan.slots if save else 0
    segment = plan.segment if save else 0
    every = plan.every

    def step(carry: Any, n: Array) -> tuple[Any, Any]:
        carried, kept = carry
        new, saved = method.step(n, carried, system)
        kept = jax.lax.dynamic_update_index_in_dim(kept, new[0], (n + every) // every, 0)
        whole = save and not slots and not segment
        return (new, kept), (carried if plan.states else saved) if whole else None

    start = carried, _kept_start(state, plan)
    if slots:
        return _forwards_with_slots(step, start, plan)
    if segment:
        full, rest = divmod(plan.steps, segment)

        def run(carry: Any, first: Array) -> tuple[Any, Any]:
            return _scan(step, carry, _range(first, segment), segment)[0], carry[0]

        firsts = segment * jnp.arange(full, dtype=jnp.int32)
        carry, states = _scan(run, start, firsts, full) if full else (start, None)
        tail = carry[0]
        if rest:
            carry, _ = _scan(step, carry, _range(full * segment, rest), rest)
        return carry[1], carry[0], (states, tail)
    (end, kept), saved = _scan(step, start, _range(0, plan.steps), plan.steps)
    return kept, end, saved


def forwards_again(method: Method, state: Array, system: System, plan: Plan) -> tuple[Array, Any]:
    """As `forwards`, where JAX differentiates it and segments are computed again on the way back.

    A number of states to keep means as many segments.
    """
    length = plan.segment or -(-plan.steps // plan.slots)
    full, rest = divmod(plan.steps, length)
    final = plan.every == plan.steps

    def run(carried: Any, first: Array, count: int) -> tuple[Any, Any]:
        def body(carry: Any, n: Array) -> tuple[Any, Any]:
            new, _ = method.step(n, carry, system)
            return new, None if final else new[0]

        return _scan(body, carried, _range(first, count), count)

    again = jax.checkpoint(run, static_argnums=2)

    def segment(carried: Any, first: Array) -> tuple[Any, Any]:
        return again(carried, first, length)

    firsts = length * jnp.arange(full, dtype=jnp.int32)
    carried, states = _scan(segment, method.begin(state), firsts, full)
    parts = [] if final else [states.reshape(-1, *state.shape)]
    if rest:
        carried, states = again(carried, jnp.asarray(full * length, jnp.int32), rest)
        parts = parts if final else [*parts, states]
    kept = carried[0][None] if final else jnp.concatenate(parts)[plan.every - 1 :: plan.every]
    return jnp.concatenate([state[None], kept]), carried


def _forwards_with_slots(step: Any, start: Any, plan: Plan) -> tuple[Array, Any, Any]:
    """All steps, with the states of the schedule's first way forwards kept."""
    schedule = binomial_schedule(plan.steps, plan.slots)
    # One slot more takes what is not kept.
    places = np.full(plan.steps + 1, plan.slots, np.int32)
    for _, ahead, to, first in _first_way(schedule):
        places[first + ahead] = to
    held = jax.tree.map(lambda x: jnp.zeros((plan.slots + 1, *x.shape), x.dtype), start[0])
    held = jax.tree.map(lambda h, x: h.at[0].set(x), held, start[0])

    def body(carry: Any, item: Any) -> tuple[Any, None]:
        inner, held = carry
        n, place = item
        inner, _ = step(inner, n)
        return (inner, _put(held, inner[0], place)), None

    items = _range(0, plan.steps), jnp.asarray(places[1:])
    ((end, kept), held), _ = _scan(body, (start, held), items, plan.steps)
    return kept, end, held


def _first_way(schedule: np.ndarray) -> np.ndarray:
    """The leading rows that keep states, which the first way forwards does in passing."""
    pulls = np.flatnonzero(schedule[:, 2] < 0)
    return schedule[: pulls[0]]


def _put(held: Any, carried: Any, place: Any) -> Any:
    return jax.tree.map(
        lambda h, x: jax.lax.dynamic_update_index_in_dim(h, x, place, 0), held, carried
    )


# -- backwards -----------------------------------------------------------------------------


def reverse(
    method: Method,
    saved: Any,
    cotangent: Array,
    system: System,
    plan: Plan,
    wanted: Any,
    like: Any,
) -> tuple[Array, Any]:
    """Cotangents of the initial state and of the wanted leaves of the dynamics.

    Args:
        saved: what `forwards` gave.
        cotangent: of the kept states.
        wanted: tree of bools like the dynamics.
        like: what is carried between steps, for its shapes.
    """
    zero = jax.tree.map(jnp.zeros_like, like)
    total = jax.tree.map(jnp.zeros_like, eqx.filter(system.dynamics, wanted))

    def pull(carry: Any, n: Any, inner: Any) -> Any:
        back, total = carry
        own = cotangent[(n + 1) // plan.every]
        if plan.every > 1:
            own = jnp.where((n + 1) % plan.every == 0, own, 0)
        back = (back[0] + own, *back[1:])
        pull_step = method.pull_again if plan.states else method.pull
        back, part = pull_step(n, inner, back, system, wanted)
        return back, add(total, part)

    def pull_span(carry: Any, first: Any, length: int, stored: Any) -> Any:
        def body(carry: Any, item: Any) -> tuple[Any, None]:
            return pull(carry, *item), None

        return _scan(body, carry, (_range(first, length), stored), length, reverse=True)[0]

    carry = zero, total
    if plan.slots:
        carry = _reverse_by_schedule(method, saved, system, plan, carry, pull)
    elif plan.segment:
        segment = plan.segment
        full, rest = divmod(plan.steps, segment)
        states, tail = saved

        def again(carry: Any, first: Any, state: Any, length: int) -> Any:
            _, stored = _advance(method, state, system, first, length, save=True)
            return pull_span(carry, first, length, stored)

        if rest:
            carry = again(carry, full * segment, tail, rest)
        if full:
            firsts = segment * jnp.arange(full, dtype=jnp.int32)

            def body(carry: Any, item: Any) -> tuple[Any, None]:
                return again(carry, item[0], item[1], segment), None

            carry, _ = _scan(body, carry, (firsts, states), full, reverse=True)
    else:
        carry = pull_span(carry, 0, plan.steps, saved)
    back, total = carry
    _, to_state = jax.vjp(method.begin, jnp.zeros_like(back[0]))
    return to_state(back)[0] + cotangent[0], total


def _reverse_by_schedule(
    method: Method, held: Any, system: System, plan: Plan, carry: Any, pull: Any
) -> Any:
    schedule = binomial_schedule(plan.steps, plan.slots)
    rows = jnp.asarray(schedule[len(_first_way(schedule)) :])

    def body(carry: Any, row: Array) -> tuple[Any, None]:
        held, inner = carry
        source, ahead, to, first = row
        state = jax.tree.map(lambda h: h[source], held)
        state = jax.lax.fori_loop(
            0, ahead, lambda k, s: method.step(first + k, s, system)[0], state
        )

        def keep(_: Any) -> Any:
            return _put(held, state, to), inner

        def pull_one(_: Any) -> Any:
            n = first + ahead
            _, stored = method.step(n, state, system)
            return held, pull(inner, n, stored)

        return jax.lax.cond(to < 0, pull_one, keep, None), None

    (_, carry), _ = jax.lax.scan(body, (held, carry), rows)
    return carry
