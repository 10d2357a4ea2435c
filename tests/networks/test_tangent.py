"""Rows of a network's Jacobian by their structure, against automatic differentiation."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.flatten_util import ravel_pytree

from pdesl.lowering.activations import ACTIVATIONS
from pdesl.solvers.gram import factorise, panels_of
from pdesl.solvers.networks import Network, NetworkOptions, count_parameters, make_network
from pdesl.solvers.nystrom import extend, no_factor
from pdesl.solvers.tangent import (
    DenseRows,
    StackedRows,
    by_blocks,
    layered_rows,
    linearised_rows,
)


@st.composite
def cases(draw):
    """A network with biases and a box of its own, features, factors, a seed."""
    inputs, outputs = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    options = NetworkOptions(
        draw(st.integers(1, 6)), draw(st.integers(1, 3)), draw(st.sampled_from(sorted(ACTIVATIONS)))
    )
    seed = draw(st.integers(0, 2**16))
    generator = np.random.default_rng(seed)
    lower = generator.uniform(-3.0, 0.0, inputs)
    network = make_network(
        options, lower, lower + generator.uniform(0.5, 4.0, inputs), outputs, seed=seed
    )
    biases = tuple(jnp.asarray(generator.normal(size=b.shape)) for b in network.biases)
    network = Network(network.weights, biases, network.activation, network.center, network.scale)
    points = draw(st.integers(1, 7))
    features = jnp.asarray(generator.uniform(-3.0, 4.0, (points, inputs)))
    factor = jnp.asarray(generator.normal(size=(points, outputs)))
    return network, features, factor, generator


def function(network, features, factor):
    return lambda parameters: (factor * parameters(features)).reshape(-1)


def explicit(network, features, factor):
    point, shape = ravel_pytree(network)
    return jax.jacfwd(lambda flat: function(network, features, factor)(shape(flat)))(point)


def symmetric(panels):
    """The matrix of which panels hold the lower triangle."""
    size = panels[-1].shape[1]
    lower = jnp.concatenate([jnp.pad(p, ((0, 0), (0, size - p.shape[1]))) for p in panels])
    return jnp.tril(lower) + jnp.tril(lower, -1).T


@jax.jit
def everything(network, features, factor, direction, cotangent, numbers):
    """All that rows can do, compiled at once, and the Jacobian by forward differentiation."""
    rows = layered_rows(network, features, factor)
    assert rows.count == features.shape[0] * factor.shape[1]
    found = {
        "forward": rows.forward(direction),
        "transpose": rows.transpose(cotangent),
        "matrix": rows.matrix(),
        "normal": symmetric(rows.normal_panels()),
        "diagonal": rows.diagonal(),
        "columns": rows.columns(numbers),
        "panel": rows.panel(rows.count // 2, rows.count),
    }
    return found, explicit(network, features, factor)


def test_panels_of_the_normal_matrix_in_blocks_of_rows():
    """More rows than a block of them, and more parameters than a panel has rows."""
    network = make_network(NetworkOptions(18, 3, "tanh"), [-1.0] * 2, [1.0] * 2, seed=1)
    points = jnp.asarray(np.random.default_rng(0).uniform(-1, 1, (700, 2)))
    rows = layered_rows(network, points, jnp.ones((700, 1)))
    panels = rows.normal_panels()
    assert len(panels) == 2
    table = rows.matrix()
    np.testing.assert_allclose(symmetric(panels), table.T @ table, rtol=1e-10, atol=1e-9)


@settings(max_examples=6)
@given(cases())
def test_rows_are_those_of_automatic_differentiation(case):
    network, features, factor, generator = case
    direction = generator.normal(size=count_parameters(network))
    cotangent = generator.normal(size=factor.size)
    numbers = generator.integers(0, factor.size, 3)
    found, table = everything(network, features, factor, direction, cotangent, numbers)
    table = np.asarray(table)
    gram = table @ table.T
    expected = {
        "forward": table @ direction,
        "transpose": cotangent @ table,
        "matrix": table,
        "normal": table.T @ table,
        "diagonal": np.diagonal(gram),
        "columns": gram[:, numbers],
        "panel": gram[factor.size // 2 :],
    }
    size = float(np.max(np.abs(table)) + 1.0) ** 2
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-11, atol=1e-12 * size, err_msg=name)
    left, right = found["forward"] @ cotangent, found["transpose"] @ direction
    assert float(left) == pytest.approx(float(right), rel=1e-10, abs=1e-11 * size)


def small_rows(points=11, outputs=2):
    network = make_network(NetworkOptions(5, 2, "swish"), [-1.0, 0.0], [1.0, 2.0], outputs, seed=3)
    generator = np.random.default_rng(1)
    features = jnp.asarray(generator.uniform(-1.0, 2.0, (points, 2)))
    factor = jnp.asarray(generator.normal(size=(points, outputs)))
    return network, features, factor, generator


def test_products_are_the_directional_derivatives_of_the_network():
    network, features, factor, generator = small_rows()
    rows = layered_rows(network, features, factor)
    evaluate = function(network, features, factor)
    tangent = jax.tree.map(lambda a: jnp.asarray(generator.normal(size=a.shape)), network)
    _, forward = jax.jvp(evaluate, (network,), (tangent,))
    np.testing.assert_allclose(rows.forward(ravel_pytree(tangent)[0]), forward, rtol=1e-12)
    _, pull = jax.vjp(evaluate, network)
    cotangent = jnp.asarray(generator.normal(size=rows.count))
    expected = ravel_pytree(pull(cotangent)[0])[0]
    np.testing.assert_allclose(rows.transpose(cotangent), expected, rtol=1e-11, atol=1e-13)


def test_rows_of_any_function_are_linearised_once():
    """A function that is no layered network, traced once for all products."""
    traced = []

    def odd(parameters):
        traced.append(1)
        return jnp.sin(parameters["a"] * parameters["b"]).sum(axis=0) + parameters["a"][0] ** 2

    generator = np.random.default_rng(0)
    parameters = {k: jnp.asarray(generator.normal(size=(3, 4))) for k in ("a", "b")}
    rows = linearised_rows(odd, parameters)
    count = len(traced)
    point, shape = ravel_pytree(parameters)
    table = jax.jacfwd(lambda flat: odd(shape(flat)))(point)
    before = len(traced)
    assert count == 1
    direction, cotangent = generator.normal(size=24), generator.normal(size=4)
    np.testing.assert_allclose(rows.forward(jnp.asarray(direction)), table @ direction, rtol=1e-12)
    np.testing.assert_allclose(
        rows.transpose(jnp.asarray(cotangent)), cotangent @ table, rtol=1e-12, atol=1e-14
    )
    np.testing.assert_allclose(rows.matrix(), table, rtol=1e-12, atol=1e-14)
    assert len(traced) == before


def test_rows_above_a_matrix():
    network, features, factor, generator = small_rows()
    upper = layered_rows(network, features, factor)
    table = generator.normal(size=(6, upper.matrix().shape[1]))
    whole = np.concatenate([upper.matrix(), table])
    gram = whole @ whole.T
    numbers = np.array([2, 25, 7])
    vector = generator.normal(size=len(whole))
    starts = (0, 20, 23)

    @jax.jit
    def compiled(upper, table, numbers, vector):
        rows = StackedRows(upper, DenseRows(table))
        return {
            "matrix": rows.matrix(),
            "diagonal": rows.diagonal(),
            "normal": symmetric(rows.normal_panels()),
            "columns": rows.columns(numbers),
            "landmarks": rows.landmarks(vector, 12),
            "transpose": rows.transpose(vector),
            "panels": [rows.panel(start, rows.count) for start in starts],
        }

    found = compiled(upper, table, numbers, vector)
    expected = {
        "matrix": whole,
        "diagonal": np.diagonal(gram),
        "normal": whole.T @ whole,
        "columns": gram[:, numbers],
        "transpose": vector @ whole,
    }
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-10, atol=1e-12, err_msg=name)
    chosen, columns = found["landmarks"]
    np.testing.assert_allclose(columns, gram[:, chosen], rtol=1e-10, atol=1e-12)
    best = {*np.argsort(vector[:22])[-11:], 22 + np.argmax(vector[22:])}
    assert best == set(np.asarray(chosen).tolist())
    for start, panel in zip(starts, found["panels"], strict=True):
        np.testing.assert_allclose(panel, gram[start:], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("points", [4, 11])
def test_blocks_cover_every_point(points):
    values = jnp.arange(2.0 * points).reshape(points, 2)
    result = by_blocks(lambda part: part["v"].sum(axis=1), {"v": values}, 4)
    np.testing.assert_array_equal(result, values.sum(axis=1))


@pytest.mark.parametrize("block", [5, 16])
def test_factor_from_panels(block):
    generator = np.random.default_rng(0)
    root = generator.normal(size=(13, 9))
    matrix = jnp.asarray(root @ root.T)

    @jax.jit
    def compiled(matrix, right):
        factor = factorise(panels_of(lambda i, j: matrix[i:j, :j], 13, block), jnp.asarray(0.3))
        return factor, factor.solve(right), factor.forward(right)

    shifted = np.asarray(matrix) + 0.3 * np.eye(13)
    lower = np.linalg.cholesky(shifted)
    for right in (generator.normal(size=13), generator.normal(size=(13, 3))):
        factor, whole, half = compiled(matrix, right)
        assert bool(factor.ok)
        np.testing.assert_allclose(factor.diagonal(), np.diagonal(lower), rtol=1e-11)
        np.testing.assert_allclose(whole, np.linalg.solve(shifted, right), rtol=1e-9)
        np.testing.assert_allclose(half, np.linalg.solve(lower, right), rtol=1e-9)


def test_a_factor_that_does_not_exist_says_so():
    matrix = jnp.diag(jnp.asarray([1.0, 2.0, -1.0, 4.0]))
    factor = factorise(panels_of(lambda i, j: matrix[i:j, :j], 4, 2), jnp.asarray(0.5))
    assert not bool(factor.ok)


def test_landmarks_beyond_the_rank_add_nothing_but_stay_finite():
    """120 rows of rank 25, twice 40 landmarks: the second block sees rounding alone."""
    generator = np.random.default_rng(4)
    table = jnp.asarray(generator.normal(size=(120, 25)) @ np.diag(10.0 ** np.linspace(0, -6, 25)))

    @jax.jit
    def compiled(table):
        rows = DenseRows(table)
        first, second = jax.random.split(jax.random.PRNGKey(0))
        return extend(rows, extend(rows, no_factor(rows), 40, first), 40, second)

    factor = compiled(table)
    whole = np.concatenate(factor.blocks, axis=1)
    gram = np.asarray(table @ table.T)
    assert whole.shape == (120, 80)
    np.testing.assert_allclose(whole @ whole.T, gram, atol=1e-11 * np.max(gram))
    assert np.all((np.asarray(factor.rest) >= 0.0) & (np.asarray(factor.rest) < 1e-11))
