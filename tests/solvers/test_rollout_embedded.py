"""Steps chosen by error estimates: their gradients, their factors, and where they end."""

from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pdesl.diagnostics import SolverError
from pdesl.solvers.implicit_operators import (
    Combination,
    DenseOperator,
    DiagonalOperator,
    ImplicitOperator,
)
from pdesl.solvers.rollout import Trajectory, prefactored, rollout
from pdesl.solvers.rollout_embedded import LEVELS

SIZE, DT = 4, 0.5
RANDOM = np.random.default_rng(0)
STATE = RANDOM.normal(size=(2, SIZE))
WEIGHTS = 0.3 * RANDOM.normal(size=(SIZE, SIZE))
STIFF = -np.array([0.0, 1.0, 30.0, 300.0])


@pytest.fixture(autouse=True)
def _double():
    with jax.enable_x64(True):
        yield


def explicit(t: Any, state: Any, parameters: Any) -> Any:
    return jnp.tanh(state @ parameters["weights"]) + jnp.sin(6 * t)


def forcing(t: Any, parameters: Any) -> Any:
    return jnp.exp(-9 * t) * parameters["rate"] * jnp.arange(SIZE)


def operator() -> ImplicitOperator:
    return DiagonalOperator(Combination(lambda p: p["rate"][None], STIFF[None]))


def start() -> tuple[Any, Any]:
    return jnp.asarray(STATE), {"weights": jnp.asarray(WEIGHTS), "rate": jnp.asarray(0.7)}


def run(pair: Any, scheme: str, how: str = "discrete_adjoint", **more: Any) -> Trajectory:
    settings: dict[str, Any] = {"adaptive": True, "tolerances": (1e-3, 1e-6), "forcing": forcing}
    settings |= {"groups": jnp.ones((SIZE, 1))} | more
    held = settings.pop("operator", operator())
    return rollout(explicit, held, pair[0], pair[1], 2, DT, scheme, gradient=how, **settings)


def loss(pair: Any, scheme: str, how: str) -> Any:
    states = run(pair, scheme, how).states
    return jnp.sum(jnp.sin(states[-1])) + jnp.sum(states[1] ** 2)


@cache
def truth() -> np.ndarray:
    found = rollout(
        explicit, operator(), *start(), steps=2048, dt=DT / 1024, scheme="imex_rk5",
        forcing=forcing, keep_every=1024,
    )  # fmt: skip
    return np.asarray(found.states)


@pytest.mark.parametrize("scheme", ["imex_rk3", "dirk2"])
def test_the_gradient_is_that_of_the_accepted_steps(scheme: str):
    state, parameters = start()

    @partial(jax.jit, static_argnums=1)
    def both(rate: Any, how: str) -> Any:
        own = state, parameters | {"rate": rate}
        return jax.value_and_grad(loss)(own, scheme, how)

    by_adjoint = jax.tree.leaves(both(0.7, "discrete_adjoint")[1])
    if scheme == "imex_rk3":
        for own, known in zip(
            by_adjoint, jax.tree.leaves(both(0.7, "backpropagation")[1]), strict=True
        ):
            assert np.max(np.abs(own - known)) < 1e-12 * max(1.0, float(np.max(np.abs(known))))
    # Differences so small that the steps are the same.
    after, before = (both(0.7 + h, "discrete_adjoint")[0] for h in (1e-6, -1e-6))
    assert (after - before) / 2e-6 == pytest.approx(float(by_adjoint[1]), rel=1e-6)


def test_the_error_follows_the_tolerance():
    scheme = "imex_rk4"
    errors, steps = [], []
    for rtol in (1e-3, 1e-5):
        found = jax.jit(lambda p, r=rtol: run(p, scheme, tolerances=(r, 1e-3 * r)))(start())
        assert found.taken is not None
        accepted, refused, exponent = np.asarray(found.taken).tolist()
        assert found.counted == (accepted + refused) * 6
        assert 0 <= exponent < LEVELS
        errors.append(float(np.max(np.abs(found.states - truth()))))
        steps.append(accepted)
    assert errors[0] < 5e-3
    assert errors[1] < 0.1 * errors[0]
    assert steps[1] > steps[0]


def test_a_kept_factor_gives_the_numbers_of_a_new_one():
    pair = start()
    fixed = DenseOperator(np.diag(STIFF) + 0.2 * RANDOM.normal(size=(SIZE, SIZE)))
    held = prefactored(fixed, "imex_rk3", DT, adaptive=True)
    assert len(held.stored) == LEVELS + 1
    own, new = (
        jax.jit(lambda p, o: run(p, "imex_rk3", operator=o).states)(pair, o) for o in (held, fixed)
    )
    assert np.max(np.abs(own - new)) < 1e-12


def test_rows_of_a_vmap_take_the_same_steps():
    (state, parameters), scheme = start(), "imex_rk3"

    def one(row: Any, begin: Any) -> Any:
        found = run((row[None], parameters), scheme, start=begin, axis="rows")
        return found.states[:, 0], found.taken

    def total(rows: Any) -> Any:
        states, taken = jax.vmap(one, axis_name="rows")(rows, jnp.zeros(2))
        return jnp.sum(states**2), taken

    def known(rows: Any) -> Any:
        found = run((rows, parameters), scheme)
        return jnp.sum(found.states**2), found.taken

    ((own, taken), slope), ((value, steps), gradient) = (
        jax.jit(jax.value_and_grad(f, has_aux=True))(state) for f in (total, known)
    )
    assert np.array_equal(taken, np.stack([steps] * 2))
    assert own == pytest.approx(float(value), rel=1e-12)
    assert np.max(np.abs(slope - gradient)) < 1e-12 * float(jnp.max(jnp.abs(gradient)))


def test_too_many_steps_give_no_numbers():
    found = jax.jit(lambda p: run(p, "imex_rk3", most_steps=3))(start())
    assert np.all(np.isnan(found.states[1:]))
    assert np.array_equal(found.states[0], STATE)


@pytest.mark.parametrize(
    ("scheme", "how", "subject"),
    [
        ("rk4", "discrete_adjoint", "does not estimate its error"),
        ("sbdf2", "discrete_adjoint", "does not estimate its error"),
        ("imex_rk3", "continuous_adjoint", "equal steps"),
    ],
)
def test_what_has_no_adaptive_steps_is_refused(scheme: str, how: str, subject: str):
    with pytest.raises(SolverError, match=subject) as error:
        run(start(), scheme, how)
    assert error.value.code == "E760"
