"""The three gradients: where they agree, and where the continuous adjoint cannot."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pdesl.diagnostics import SolverError
from pdesl.solvers.implicit_operators import DiagonalOperator, FourierOperator
from pdesl.solvers.rollout import rollout
from pdesl.solvers.rollout_reverse import MOST_STAGED, make_plan

SIZE = 6


@pytest.fixture(autouse=True)
def _double():
    with jax.enable_x64(True):
        yield


def explicit(t: Any, state: Any, parameters: Any) -> Any:
    return jnp.tanh(state @ parameters["weights"]) + jnp.sin(t)


def forcing(t: Any, parameters: Any) -> Any:
    return jnp.cos(t) * parameters["rate"] * jnp.arange(SIZE)


OPERATOR = FourierOperator(
    lambda p: p["rate"] * (-(jnp.arange(4.0) ** 2) + 0.2j * jnp.array([0, 1, 2, 0])), (SIZE,)
)


def gradient(scheme: str, how: str, steps: int, every: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    state = jnp.asarray(rng.normal(size=(2, SIZE)))
    parameters = {
        "weights": jnp.asarray(0.3 * rng.normal(size=(SIZE, SIZE))),
        "rate": jnp.asarray(0.7),
    }

    @jax.jit
    @jax.grad
    def slope(pair: Any) -> Any:
        run = rollout(
            explicit, OPERATOR, pair[0], pair[1], steps, 0.5 / steps, scheme,
            forcing=forcing, gradient=how, keep_every=every, tolerances=(1e-8, 1e-10),
        )  # fmt: skip
        return jnp.sum(jnp.sin(run.states[-1])) + jnp.sum(run.states[run.states.shape[0] // 2])

    return np.concatenate([np.ravel(x) for x in jax.tree.leaves(slope((state, parameters)))])


def test_the_continuous_adjoint_converges_to_the_others():
    known = gradient("imex_rk5", "discrete_adjoint", 32, 16)
    coarse, fine = (
        np.max(np.abs(gradient("imex_rk4", "continuous_adjoint", n, n // 2) - known))
        for n in (4, 8)
    )
    assert fine < 1e-4
    assert 10 < coarse / fine < 40


@pytest.mark.parametrize(
    ("scheme", "how"),
    [
        ("dopri5", "discrete_adjoint"),
        ("tsit5", "continuous_adjoint"),
        ("dopri5", "backpropagation"),
    ],
)
def test_adaptive_steps(scheme: str, how: str):
    known = gradient("imex_rk5", "discrete_adjoint", 32, 16)
    assert np.max(np.abs(gradient(scheme, how, 2, 1) - known)) < 1e-6


def test_adaptive_steps_say_how_often_they_evaluated():
    run = rollout(
        lambda t, u, p: -5 * u, None, jnp.ones((1, 1)), None, 3, 0.1, "dopri5",
        tolerances=(1e-9, 1e-12),
    )  # fmt: skip
    assert run.counted is not None
    assert int(run.counted) > 18
    assert np.allclose(run.states[:, 0, 0], np.exp(-0.5 * np.arange(4)), rtol=1e-8)
    few = rollout(
        lambda t, u, p: -5 * u, None, jnp.ones((1, 1)), None, 3, 0.1, "dopri5", most_steps=2
    )
    assert np.all(np.isnan(few.states[1:]))


@pytest.mark.parametrize("rate", [100.0, 1e4])
def test_exponential_decay_backwards(rate: float):
    """y' = −λy: dy(T)/dλ of the computed y(T), by every gradient.

    Stepping back, an L-stable method shrinks what it should let grow, and the gradient of the
    adjoint equation has nothing to do with that of the solution.
    """

    def end(rate: Any, how: str) -> Any:
        decay = DiagonalOperator(lambda p: -p)
        return rollout(
            None, decay, jnp.ones((1, 1)), rate, 20, 0.01, "imex_rk3", gradient=how, keep_every=20
        ).states[-1, 0, 0]

    known = jax.grad(end)(rate, "backpropagation")
    # The stability function R(−λΔt)^20 differentiated by a central difference.
    step = 1e-4 * rate
    slope = (end(rate + step, "discrete_adjoint") - end(rate - step, "discrete_adjoint")) / (
        2 * step
    )
    found = jax.grad(end)(rate, "discrete_adjoint")
    wrong = jax.grad(end)(rate, "continuous_adjoint")
    assert abs(float(found / known) - 1) < 1e-12
    assert abs(float(found / slope) - 1) < 1e-4
    assert not abs(float(wrong / known) - 1) < 0.1


def test_a_gradient_that_the_scheme_does_not_have():
    with pytest.raises(SolverError, match="continuous adjoint") as caught:
        rollout(
            explicit, OPERATOR, jnp.ones((1, SIZE)),
            {"weights": jnp.eye(SIZE), "rate": jnp.asarray(1.0)}, 2, 0.1, "etdrk2",
            gradient="continuous_adjoint",
        )  # fmt: skip
    assert caught.value.code == "E760"


def test_python_numbers_are_parameters_too():
    def end(rate: Any) -> Any:
        run = rollout(lambda t, u, p: -p * u, None, jnp.ones((1, 1)), rate, 4, 0.25, "rk4")
        return run.states[-1, 0, 0]

    assert abs(float(jax.grad(end)(1.0)) + np.exp(-1)) < 1e-3


def test_kept_states_give_the_gradient_of_kept_stages():
    """More steps than those whose stages are kept."""
    steps = MOST_STAGED + 2
    assert make_plan(steps, steps, None).states
    assert not make_plan(steps, steps, None, cheap=False).states
    known = gradient("imex_rk3", "backpropagation", steps, steps // 2)
    found = gradient("imex_rk3", "discrete_adjoint", steps, steps // 2)
    assert np.max(np.abs(found - known)) < 1e-12 * np.max(np.abs(known))
