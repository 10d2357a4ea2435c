"""The velocity of a network's parameters against dense least squares, and its reports."""

from __future__ import annotations

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from pdesl.solvers.gram import one_blas_thread
from pdesl.solvers.networks import NetworkOptions, make_network
from pdesl.solvers.tangent import layered_rows, linearised_rows
from pdesl.solvers.tangent_options import (
    TANGENT_SOLVERS,
    TangentOptions,
    choose_tangent_solver,
)
from pdesl.solvers.tangent_report import (
    BREAKDOWN,
    CONVERGED,
    NOT_CONVERGED,
    NOT_FINITE,
    REPAIRED,
    STATUS_WORDS,
)
from pdesl.solvers.tangent_solve import ExtraRows, solve_rows, solve_tangent, tangent_choice

#: Settings that most tests share, so that each solver is compiled once.
SETTINGS = {
    name: TangentOptions(
        solver=name, regularisation=1e-5, tolerance=1e-12, rank=30, iterations=3000
    )
    for name in TANGENT_SOLVERS
}
KEY = jax.random.PRNGKey(0)
solve = jax.jit(solve_tangent, static_argnames="options")


@pytest.fixture(autouse=True)
def blas():
    with one_blas_thread():
        yield


def problem(points=40, outputs=2, width=9, inputs=2, depth=1):
    """A network, features, factors, rates that no direction meets, and penalties."""
    generator = np.random.default_rng(0)
    network = make_network(
        NetworkOptions(width, depth, "swish"), [-1.0] * inputs, [1.0] * inputs, outputs, seed=1
    )
    features = generator.uniform(-1.0, 1.0, (points, inputs))
    factor = generator.uniform(0.2, 1.0, (points, outputs))
    rates = np.sin(3.0 * features.sum(axis=1))[:, None] * np.arange(1.0, outputs + 1.0)
    parameters = ravel_pytree(network)[0].size
    extra = ExtraRows(
        jnp.asarray(generator.normal(size=(5, parameters))),
        jnp.asarray(generator.normal(size=5)),
        jnp.asarray(generator.uniform(0.5, 2.0, 5)),
    )
    return network, features, factor, rates, extra


def reference(network, features, factor, rates, regularisation, extra=None):
    """Least squares by LAPACK on the rows as automatic differentiation has them."""
    point, shape = ravel_pytree(network)
    table = jax.jacfwd(lambda flat: (factor * shape(flat)(features)).reshape(-1))(point)
    root = np.sqrt(len(features))
    rows, right = [np.asarray(table) / root], [rates.reshape(-1) / root]
    if extra is not None:
        weight = np.sqrt(extra.weights)
        rows.append(weight[:, None] * extra.jacobian)
        right.append(weight * extra.right)
    largest = np.linalg.norm(np.concatenate(rows), 2) ** 2
    size = point.size
    rows.append(np.sqrt(regularisation) * np.eye(size))
    right.append(np.zeros(size))
    return np.linalg.lstsq(np.concatenate(rows), np.concatenate(right))[0], largest


@pytest.mark.parametrize("solver", TANGENT_SOLVERS)
def test_every_solver_agrees_with_dense_least_squares(solver):
    network, features, factor, rates, extra = problem()
    found = solve(network, features, factor, rates, SETTINGS[solver], KEY, extra_rows=extra)
    report = found.report
    expected, largest = reference(
        network, features, factor, rates, float(report.regularisation), extra
    )
    scale = np.max(np.abs(expected))
    np.testing.assert_allclose(ravel_pytree(found.direction)[0], expected, atol=1e-7 * scale)
    assert int(report.status) == CONVERGED
    assert float(report.normal_residual) <= 1e-10
    assert 0.05 < float(report.residual) < 1.0
    assert report.solver == solver
    assert "as asked for" in report.reason
    # The estimate comes from below; μ is that fraction of what was found.
    assert 0.99 * largest <= float(report.largest) <= (1.0 + 1e-9) * largest
    assert float(report.regularisation) == pytest.approx(1e-5 * float(report.largest))
    assert 1.0 <= float(report.condition) <= 1.01e5
    assert (int(report.iterations) > 0) == solver.endswith("cg")


@pytest.mark.parametrize("solver", [name for name in TANGENT_SOLVERS if name != "cg"])
def test_mixed_precision_is_refined_to_the_solution_of_float64(solver):
    network, features, factor, rates, extra = problem()
    options = replace(SETTINGS[solver], mixed=True)
    found = solve(network, features, factor, rates, options, KEY, extra_rows=extra)
    report = found.report
    expected, _ = reference(network, features, factor, rates, float(report.regularisation), extra)
    scale = np.max(np.abs(expected))
    np.testing.assert_allclose(ravel_pytree(found.direction)[0], expected, atol=1e-8 * scale)
    assert int(report.status) == CONVERGED
    # A factor of float32 is off by ε/μ = 1e-2: few products mend that.
    assert int(report.iterations) <= (12 if solver in ("gram", "dense") else 100)
    program = str(jax.make_jaxpr(solve_tangent, static_argnums=4)(
        network, features, factor, rates, options, KEY
    ))  # fmt: skip
    assert "f32" in program


def test_the_solution_has_the_whole_speed():
    """Rates that a direction gives come back (Algorithm 1's 1/(2n) would give half of them)."""
    network, features, factor, rates, _ = problem()
    rows = layered_rows(network, jnp.asarray(features), jnp.asarray(factor))
    direction = rows.transpose(rates.reshape(-1))
    wanted = np.asarray(rows.forward(direction)).reshape(factor.shape)
    found = solve(network, features, factor, wanted, SETTINGS["gram"], KEY)
    assert float(found.report.residual) < 1e-3
    moved = rows.forward(ravel_pytree(found.direction)[0]).reshape(factor.shape)
    np.testing.assert_allclose(moved, wanted, atol=1e-2 * np.max(np.abs(wanted)))


def test_preconditioners_save_iterations_and_choose_their_rank():
    network, features, factor, rates, _ = problem(400, 1, 30, 3, 2)
    settings = {"regularisation": 1e-8, "tolerance": 1e-8, "iterations": 5000}
    count = {}
    for solver, rank in (
        ("cg", None),
        ("gaussian_nystrom_cg", 150),
        ("landmark_nystrom_cg", None),
    ):
        options = TangentOptions(solver=solver, rank=rank, **settings)
        report = solve(network, features, factor, rates, options, KEY).report
        assert int(report.status) == CONVERGED
        assert float(report.normal_residual) < 1e-7
        count[solver] = int(report.iterations)
    assert 3 * count["gaussian_nystrom_cg"] < count["cg"]
    assert 10 * count["landmark_nystrom_cg"] < count["cg"]
    # Rank and effective dimension of the last, against the spectrum.
    rows = layered_rows(network, jnp.asarray(features), jnp.asarray(factor)).matrix()
    values = np.linalg.svd(np.asarray(rows) / np.sqrt(400), compute_uv=False) ** 2
    shift = float(report.regularisation)
    dimension = np.sum(values / (values + shift))
    assert float(report.effective_dimension) == pytest.approx(dimension, rel=0.15)
    assert int(report.rank) in (256, 400)
    assert int(report.rank) > dimension


def test_failures_are_reported():
    network, features, factor, rates, extra = problem()
    bad = rates.copy()
    bad[3, 0] = np.nan
    for solver in ("gram", "landmark_nystrom_cg"):
        options = SETTINGS[solver]
        report = solve(network, features, factor, bad, options, KEY, extra_rows=extra).report
        assert int(report.status) == NOT_FINITE
    few = TangentOptions(solver="cg", regularisation=1e-9, iterations=3)
    report = solve(network, features, factor, rates, few, KEY).report
    assert int(report.status) == NOT_CONVERGED
    assert int(report.iterations) == 3
    assert float(report.normal_residual) > 1e-6
    assert set(STATUS_WORDS) == {CONVERGED, NOT_CONVERGED, REPAIRED, BREAKDOWN, NOT_FINITE}


def test_a_singular_matrix_is_regularised_and_reported():
    """80 rows of rank at most 47 have no factor without μ."""
    network, features, factor, rates, _ = problem()
    options = TangentOptions(solver="gram", regularisation=0.0)
    report = solve(network, features, factor, rates, options, KEY).report
    assert int(report.status) == REPAIRED
    assert 0.0 < float(report.regularisation) < 1e-9 * float(report.largest)
    assert float(report.normal_residual) < 1e-3


def test_more_landmarks_than_there_is_rank():
    """80 rows of rank 47: what the last landmarks add is rounding, and does no harm."""
    network, features, factor, rates, _ = problem()
    options = TangentOptions(solver="landmark_nystrom_cg", regularisation=1e-10, rank=75)
    report = solve(network, features, factor, rates, options, KEY).report
    assert int(report.status) == CONVERGED
    assert int(report.rank) == 75
    assert float(report.normal_residual) < 1e-5


def test_rates_of_zero_stand_still():
    network, features, factor, rates, extra = problem()
    still = ExtraRows(extra.jacobian, 0.0 * extra.right, extra.weights)
    for solver in ("gram", "landmark_nystrom_cg"):
        options = SETTINGS[solver]
        found = solve(network, features, factor, 0.0 * rates, options, KEY, extra_rows=still)
        assert int(found.report.status) == CONVERGED
        assert not np.any(ravel_pytree(found.direction)[0])


def test_one_compilation_and_the_same_bits():
    network, features, factor, rates, extra = problem()
    traced = []

    @jax.jit
    def once(network, features, factor, rates, key):
        traced.append(1)
        return solve_tangent(network, features, factor, rates, SETTINGS["cg"], key)

    first = once(network, features, factor, rates, KEY)
    moved = jax.tree.map(lambda p, d: p + 1e-3 * d, network, first.direction)
    once(moved, features + 0.01, factor, rates, KEY)
    again = once(network, features, factor, rates, KEY)
    assert len(traced) == 1
    for a, b in zip(jax.tree.leaves(first), jax.tree.leaves(again), strict=True):
        np.testing.assert_array_equal(a, b)
    options = SETTINGS["landmark_nystrom_cg"]
    pair = [
        solve(network, features, factor, rates, options, KEY, extra_rows=extra) for _ in range(2)
    ]
    for a, b in zip(*map(jax.tree.leaves, pair), strict=True):
        np.testing.assert_array_equal(a, b)


def test_rows_of_a_network_that_is_no_perceptron():
    """A residual block: rows linearised once, the same solvers."""
    generator = np.random.default_rng(2)
    parameters = {"a": generator.normal(size=(2, 2)), "b": generator.normal(size=2)}
    points = generator.normal(size=(30, 2))
    right = generator.normal(size=30) / np.sqrt(30)

    def values(parameters, points):
        return (points + jnp.tanh(points @ parameters["a"])) @ parameters["b"] / jnp.sqrt(30.0)

    options = TangentOptions(solver="gram", regularisation=1e-3)
    choice = choose_tangent_solver((2, 2, 1), 30, options, layered=False)

    @jax.jit
    def compiled(parameters, points):
        rows = linearised_rows(lambda p: values(p, points), parameters)
        return solve_rows(rows, jnp.asarray(right), choice, options, KEY)

    direction, report = compiled(parameters, points)
    point, shape = ravel_pytree(parameters)
    table = np.asarray(jax.jacfwd(lambda flat: values(shape(flat), points))(point))
    shift = float(report.regularisation)
    expected = np.linalg.solve(table.T @ table + shift * np.eye(6), table.T @ right)
    np.testing.assert_allclose(direction, expected, rtol=1e-8, atol=1e-11)
    assert int(report.status) == CONVERGED


def test_the_choice_follows_rows_parameters_and_memory():
    sizes = (18, 100, 100, 100, 1)
    few = choose_tangent_solver(sizes, 2_000, TangentOptions())
    many = choose_tangent_solver(sizes, 20_000, TangentOptions())
    tiny = choose_tangent_solver((4, 10, 10, 1), 20_000, TangentOptions())
    tight = choose_tangent_solver(sizes, 20_000, TangentOptions(memory=0.05))
    assert few.solver == "gram"
    assert many.solver == "landmark_nystrom_cg"
    assert tiny.solver == "dense"
    assert tight.solver == "gaussian_nystrom_cg"
    assert "GiB" in tight.reason
    assert "2000 rows, 22201 parameters" in few.reason
    assert few.memory < 2.0**28 < many.memory
    # Memory is linear in n without a matrix over the samples.
    twice = choose_tangent_solver(sizes, 40_000, TangentOptions())
    assert twice.memory < 2.1 * many.memory
    network = make_network(NetworkOptions(100, 3), [-1.0] * 18, [1.0] * 18, seed=0)
    assert tangent_choice(network, 2_000, TangentOptions()) == few
