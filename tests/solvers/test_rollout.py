"""Rollouts: the discrete adjoint against other gradients, plans of recomputation, counts."""

from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pdesl.solvers.implicit_operators import (
    DenseOperator,
)
from pdesl.solvers.rollout import rollout
from pdesl.solvers.rollout_reverse import binomial_schedule
from pdesl.solvers.tableaux import AdditiveTableau

SIZE = 5


@pytest.fixture(autouse=True)
def _double():
    with jax.enable_x64(True):
        yield


def explicit(t: Any, state: Any, parameters: Any) -> Any:
    return jnp.tanh(state @ parameters["weights"]) * jnp.cos(t)


def forcing(t: Any, parameters: Any) -> Any:
    return jnp.sin(t + parameters["phase"]) * jnp.arange(SIZE)


def example(seed: int, batch: int = 2) -> tuple[Any, Any]:
    """A state and parameters: a network, a phase, and the whole of J."""
    rng = np.random.default_rng(seed)
    parameters = {
        "weights": jnp.asarray(rng.normal(size=(SIZE, SIZE))),
        "phase": jnp.asarray(rng.normal()),
        "matrix": jnp.asarray(rng.normal(size=(SIZE, SIZE)) - 4 * np.eye(SIZE)),
    }
    return jnp.asarray(rng.normal(size=(batch, SIZE))), parameters


LEARNED = DenseOperator(lambda parameters: parameters["matrix"])


def reference(table: AdditiveTableau, state: Any, parameters: Any, steps: int, dt: float) -> Any:
    """The definition of an additive Runge-Kutta method, with nothing reused."""
    matrix = parameters["matrix"]
    states = [state]
    for n in range(steps):
        slopes, linear = [], []
        for i in range(table.stages):
            right = state
            for j in range(i):
                right = right + dt * table.explicit[i, j] * slopes[j]
                right = right + dt * table.implicit[i, j] * linear[j]
            clock = (n + table.implicit_nodes[i]) * dt
            gamma = dt * table.implicit[i, i]
            right = right + gamma * forcing(clock, parameters)
            value = jnp.linalg.solve(jnp.eye(SIZE) - gamma * matrix, right.T).T
            linear.append(value @ matrix.T + forcing(clock, parameters))
            slopes.append(explicit((n + table.explicit_nodes[i]) * dt, value, parameters))
        for weight, g, h in zip(table.weights, slopes, linear, strict=True):
            state = state + dt * weight * (g + h)
        states.append(state)
    return jnp.stack(states)


def relative(found: Any, known: Any) -> float:
    """The largest error of any leaf, relative to its leaf."""
    pairs = zip(jax.tree.leaves(found), jax.tree.leaves(known), strict=True)
    return max(float(jnp.max(abs(a - b)) / (1e-300 + jnp.max(abs(b)))) for a, b in pairs)


@st.composite
def tableaux(draw: st.DrawFn) -> AdditiveTableau:
    """Any pair of tableaux, some stages explicit."""
    stages = draw(st.integers(1, 3))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    lower = np.tril(rng.normal(size=(stages, stages)), -1)
    implicit = np.tril(rng.normal(size=(stages, stages)), -1)
    sizes = rng.choice([0.3, 0.7], stages) * rng.integers(0, 2, stages)
    weights = rng.normal(size=stages) * draw(st.sampled_from([1.0, 0.0]))
    weights[0] = rng.normal()
    return AdditiveTableau("random", 1, lower, implicit + np.diag(sizes), weights, weights, "")


@settings(max_examples=6, deadline=None)
@given(tableaux(), st.integers(1, 4), st.integers(0, 1000), st.sampled_from([None, "sqrt", 2]))
def test_the_discrete_adjoint_is_the_gradient_of_the_steps(
    table: AdditiveTableau, steps: int, seed: int, checkpoints: Any
):
    state, parameters = example(seed)
    dt = 0.05

    def ours(state: Any, parameters: Any) -> Any:
        run = rollout(
            explicit, LEARNED, state, parameters, steps, dt, table,
            forcing=forcing, checkpoints=checkpoints,
        )  # fmt: skip
        return jnp.sum(jnp.sin(run.states))

    def plain(state: Any, parameters: Any) -> Any:
        return jnp.sum(jnp.sin(reference(table, state, parameters, steps, dt)))

    value, found = jax.value_and_grad(ours, argnums=(0, 1))(state, parameters)
    known_value, known = jax.value_and_grad(plain, argnums=(0, 1))(state, parameters)
    assert abs(value - known_value) <= 1e-12 * (1 + abs(known_value))
    assert relative(found, known) <= 1e-12
    # A central difference along one direction in all arguments at once.
    away = example(seed + 1)
    step = 1e-5
    ends = [
        float(plain(*jax.tree.map(lambda a, b, s=s: a + s * b, (state, parameters), away)))
        for s in (step, -step)
    ]
    slope = sum(
        float(jnp.vdot(a, b))
        for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(away), strict=True)
    )
    assert abs((ends[0] - ends[1]) / (2 * step) - slope) <= 1e-6 * (1 + abs(slope))


def test_adjoint_and_tangent_agree():
    state, parameters = example(0)

    def states(gradient: str, pair: Any) -> Any:
        return rollout(
            explicit,
            LEARNED,
            pair[0],
            pair[1],
            6,
            0.05,
            "imex_rk4",
            forcing=forcing,
            gradient=gradient,
        ).states

    start, direction = (state, parameters), example(3)
    out, tangent = jax.jvp(lambda p: states("backpropagation", p), (start,), (direction,))
    weight = jnp.cos(jnp.arange(out.size, dtype=out.dtype)).reshape(out.shape)
    value, back = jax.vjp(lambda p: states("discrete_adjoint", p), start)
    (cotangent,) = back(weight)
    right = sum(
        jnp.vdot(a, b)
        for a, b in zip(jax.tree.leaves(cotangent), jax.tree.leaves(direction), strict=True)
    )
    assert float(jnp.max(abs(value - out))) <= 1e-13
    assert abs(float(jnp.vdot(weight, tangent) - right)) <= 1e-12 * abs(float(right))


@pytest.mark.parametrize("every", [1, 7])
def test_every_plan_gives_the_same_gradient(every: int):
    state, parameters = example(1)

    def gradient(checkpoints: Any, how: str = "discrete_adjoint") -> Any:
        def loss(pair: Any) -> Any:
            run = rollout(
                explicit, LEARNED, pair[0], pair[1], 7, 0.05, "imex_rk2",
                checkpoints=checkpoints, keep_every=every,
                gradient=how,
            )  # fmt: skip
            return jnp.sum(run.states**3)

        return jax.grad(loss)((state, parameters))

    whole = gradient(None)
    for checkpoints in ("sqrt", 1, 3):
        assert relative(gradient(checkpoints), whole) <= 1e-13
    assert relative(gradient(3, "backpropagation"), whole) <= 1e-13


def steps_taken(schedule: np.ndarray, steps: int) -> int:
    """Run a schedule on step numbers; every restored state must be there."""
    held = {0: 0}
    pulled = []
    for source, ahead, to, first in schedule:
        assert held[source] == first
        if to < 0:
            pulled.append(first + ahead)
        else:
            held[to] = first + ahead
    assert pulled == list(reversed(range(steps)))
    return int(schedule[:, 1].sum())


@lru_cache
def fewest(steps: int, free: int) -> int:
    if steps == 1:
        return 0
    if not free:
        return steps * (steps - 1) // 2
    return min(m + fewest(steps - m, free - 1) + fewest(m, free) for m in range(1, steps))


@pytest.mark.parametrize("slots", [1, 2, 3, 5])
def test_the_binomial_schedule_takes_the_fewest_steps(slots: int):
    for steps in range(1, 41):
        assert steps_taken(binomial_schedule(steps, slots), steps) == fewest(steps, slots - 1)
