"""Levenberg-Marquardt: known minima, both forms of a step, damping, failure."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pdesl.diagnostics import SolverError
from pdesl.lowering.rows import row_jacobian
from pdesl.solvers.networks import NetworkOptions, make_network
from pdesl.solvers.training import (
    DAMPED_CHECK,
    LevenbergMarquardt,
    Residuals,
    Stopping,
    StopReason,
    minimise,
)


def rosenbrock_residuals(p, factor):
    return jnp.concatenate([factor * (p[1:] - p[:-1] ** 2), 1.0 - p[:-1]])


def fit_residuals(network, data):
    return (network(data["x"])[:, 0] - data["y"]) / np.sqrt(len(data["y"]))


def problem(vector):
    """The loss, its parts and its residuals, the Jacobian by forward mode."""

    def loss(parameters, data):
        residual = vector(parameters, data)
        return jnp.sum(residual**2), {"largest": jnp.max(jnp.abs(residual))}

    def jacobian(parameters, data):
        leaves, structure = jax.tree.flatten(parameters)
        by_leaf = jax.jacfwd(lambda ls: vector(jax.tree.unflatten(structure, ls), data))(leaves)
        return jnp.concatenate([j.reshape(j.shape[0], -1) for j in by_leaf], axis=1)

    return loss, Residuals(vector, jacobian)


def fit_data(count):
    x = np.linspace(-1.0, 1.0, count)[:, None]
    return {"x": x, "y": np.sin(3.0 * x[:, 0])}


def small_network(dtype: Any = np.float64):
    return make_network(NetworkOptions(8, 2), [-1.0], [1.0], seed=0, dtype=dtype)


def run(vector, start, data, optimiser=None, iterations=200, **stopping):
    loss, residuals = problem(vector)
    return minimise(
        loss, start, data, optimiser=optimiser or LevenbergMarquardt(), residuals=residuals,
        stopping=Stopping(iterations, decrease=0.0, **stopping),
    )  # fmt: skip


@pytest.mark.parametrize("acceleration", [True, False])
@pytest.mark.parametrize("largest", [5000, 0])
def test_rosenbrock(acceleration, largest):
    optimiser = LevenbergMarquardt(acceleration=acceleration, largest=largest)
    result = run(rosenbrock_residuals, jnp.zeros(6), np.asarray(10.0), optimiser, loss=1e-20)
    assert result.stop_reason is StopReason.LOSS
    np.testing.assert_allclose(result.parameters, np.ones(6), atol=1e-9)
    assert result.iterations <= 100
    assert result.evaluations >= result.iterations
    np.testing.assert_array_equal(result.history.loss, np.minimum.accumulate(result.history.loss))


@pytest.mark.parametrize("count", [40, 200])
def test_both_matrices_and_neither(count):
    """More and fewer residuals than the 97 parameters, with a matrix and without."""
    data = fit_data(count)
    loss, _ = problem(fit_residuals)
    results = [
        run(fit_residuals, small_network(), data, LevenbergMarquardt(largest=largest), 40)
        for largest in (5000, 0)
    ]
    for result in results:
        assert result.loss < 1e-8
        np.testing.assert_allclose(loss(result.parameters, data)[0], result.loss, rtol=1e-6)
    # The first steps differ by what the first damping is a fraction of.
    np.testing.assert_allclose(results[0].history.loss[:3], results[1].history.loss[:3], rtol=0.15)


def test_a_linear_problem_takes_a_few_steps():
    generator = np.random.default_rng(0)
    matrix, right = generator.normal(size=(30, 12)), generator.normal(size=30)
    result = run(lambda p, d: d[0] @ p - d[1], jnp.zeros(12), (matrix, right), iterations=12)
    known = np.linalg.lstsq(matrix, right)[0]
    np.testing.assert_allclose(result.parameters, known, atol=1e-9)


def test_it_takes_fewer_iterations_with_acceleration():
    needed = [
        run(
            rosenbrock_residuals, jnp.zeros(10), np.asarray(30.0),
            LevenbergMarquardt(acceleration=a), 500, loss=1e-18,
        ).iterations
        for a in (True, False)
    ]  # fmt: skip
    assert needed[0] < needed[1]


def test_it_repeats_itself_and_looks_every_few_iterations():
    data = fit_data(50)
    loss, residuals = problem(fit_residuals)

    def once(pace):
        seen = []
        result = minimise(
            loss, small_network(), data, optimiser=LevenbergMarquardt(), residuals=residuals,
            stopping=Stopping(1000, decrease=0.5, window=10), report_seconds=pace,
            callback=lambda p: seen.append(p.iteration) and None,
        )  # fmt: skip
        return result, seen

    (first, _), (second, seen) = once(1e-9), once(10.0)
    np.testing.assert_array_equal(first.history.loss, second.history.loss)
    assert first.stop_reason in (StopReason.DECREASE, StopReason.LINE_SEARCH)
    assert max(np.diff([0, *seen])) <= DAMPED_CHECK


def test_it_ends_where_no_step_helps():
    result = run(lambda p, d: jnp.stack([p[0] ** 2 + d, 0.0 * p[0]]), jnp.ones(1), np.asarray(1.0))
    assert result.stop_reason is StopReason.LINE_SEARCH
    assert result.loss == pytest.approx(1.0)


def test_single_precision():
    data = {k: v.astype(np.float32) for k, v in fit_data(60).items()}
    result = run(fit_residuals, small_network(np.float32), data, iterations=40)
    assert {leaf.dtype for leaf in jax.tree.leaves(result.parameters)} == {np.dtype(np.float32)}
    assert result.loss < 1e-6


def test_what_is_not_finite_is_named():
    with pytest.raises(SolverError) as caught:
        run(lambda p, d: jnp.log(p - 2.0), jnp.ones(3), ())
    assert caught.value.code == "E701"


def test_residuals_are_needed():
    with pytest.raises(TypeError, match="needs the residuals"):
        minimise(lambda p, d: (p @ p, ()), jnp.ones(2), (), optimiser=LevenbergMarquardt())


def test_the_rows_of_a_network():
    """`row_jacobian` has its columns in the order that the optimiser flattens in."""
    data, network = fit_data(20), small_network()
    _, residuals = problem(fit_residuals)

    def vector(net, rows):
        return (net(rows["x"])[:, 0] - rows["y"]) / np.sqrt(20)

    rows = {k: jnp.asarray(v) for k, v in data.items()}
    ours = row_jacobian(vector, network, rows, chunk=7)
    np.testing.assert_allclose(ours, residuals.jacobian(network, data), atol=1e-13)
