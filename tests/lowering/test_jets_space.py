"""Directions, collapsed sums of derivatives, and estimates of the Laplacian."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pdesl.lowering.jets.coefficients import directional_derivatives
from pdesl.lowering.jets.collapsed import directional_sum, estimate_laplacian, laplacian
from pdesl.lowering.jets.directions import directions_for
from pdesl.lowering.rows import sum_of_squares


def power_of_laplacian(dimension: int, power: int) -> dict[tuple[int, ...], float]:
    found: dict[tuple[int, ...], float] = {(0,) * dimension: 1.0}
    for _ in range(power):
        grown: dict[tuple[int, ...], float] = {}
        for index, value in found.items():
            for i in range(dimension):
                raised = tuple(a + 2 * (i == j) for j, a in enumerate(index))
                grown[raised] = grown.get(raised, 0.0) + value
        found = grown
    return found


@st.composite
def operators(draw: Any) -> tuple[dict[tuple[int, ...], float], np.ndarray]:
    """A random homogeneous operator of order 1 to 4 in one to three variables, and a point."""
    dimension, order = draw(st.integers(1, 3)), draw(st.integers(1, 4))
    places = st.lists(st.integers(0, dimension - 1), min_size=order, max_size=order)
    terms = draw(st.lists(places, min_size=1, max_size=3))
    operator = {}
    for axes in terms:
        index = tuple(axes.count(i) for i in range(dimension))
        operator[index] = float(draw(st.integers(1, 5))) * draw(st.sampled_from([-1, 1]))
    point = np.array(draw(st.lists(st.integers(-8, 8), min_size=dimension, max_size=dimension))) / 4
    return operator, point


@settings(max_examples=15)
@given(operators())
def test_polarisation_is_exact_on_polynomials(
    case: tuple[dict[tuple[int, ...], float], np.ndarray],
) -> None:
    """Along v the monomial x^β has the series Π (x_i + t v_i)^β_i; the operator is known."""
    operator, point = case
    order = sum(next(iter(operator)))
    plan = directions_for([operator])
    for beta in [next(iter(operator)), (order,) + (0,) * (len(point) - 1), (2,) * len(point)]:
        expected = 0.0
        for index, value in operator.items():
            if all(a <= b for a, b in zip(index, beta, strict=True)):
                pairs = zip(index, beta, point, strict=True)
                expected += value * math.prod(math.perm(b, a) * x ** (b - a) for a, b, x in pairs)
        found = 0.0
        for direction, weight in zip(plan.directions, plan.weights[0], strict=True):
            series = np.array([1.0])
            for b, x, v in zip(beta, point, direction, strict=True):
                for _ in range(b):
                    series = np.convolve(series, [x, v])
            if len(series) > order:
                found += weight * math.factorial(order) * series[order]
        assert found == pytest.approx(expected, rel=1e-8, abs=1e-7)


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        ([{(1, 1): 1.0}], 2),
        ([power_of_laplacian(3, 1)], 3),
        ([power_of_laplacian(2, 2)], 3),
        ([power_of_laplacian(3, 2)], 6),
        ([{(2, 0): 1.0}, {(1, 1): 1.0}, {(0, 2): 1.0}], 3),
        ([{(1, 0): 2.0, (0, 1): -3.0}], 1),
        ([{(2, 2): 1.0}], 4),
        ([{(4, 0): 1.0}, {(0, 1): 1.0}, {(0, 0): 1.0}], 2),
    ],
)
def test_operators_take_few_directions(wanted: Any, count: int) -> None:
    assert len(directions_for(wanted)) == count


def test_malformed_operators_are_refused() -> None:
    with pytest.raises(ValueError, match="one order"):
        directions_for([{(1, 0): 1.0, (1, 1): 1.0}])
    with pytest.raises(ValueError, match="one length"):
        directions_for([{(1, 0): 1.0}, {(1,): 1.0}])
    with pytest.raises(ValueError, match="one order"):
        directions_for([{}])


# -- collapsed sums ------------------------------------------------------------------------

WEIGHTS = jnp.asarray(np.random.default_rng(0).normal(size=(3, 3)))

FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "network": lambda x: jnp.sum(jnp.tanh(jnp.sin(x @ WEIGHTS) @ WEIGHTS + 0.1)),
    "activations": lambda x: jnp.sum(
        jax.nn.silu(x @ WEIGHTS) + jax.nn.softplus(x) * jax.nn.gelu(2 * x) + jax.nn.relu(x) ** 3
    ),
    "products": lambda x: jnp.outer(x, jnp.cos(x)) @ jnp.exp(x),
    "quotients": lambda x: x[0] ** 2.5 / (1.0 + x[1] ** 2) + jnp.sqrt(1 + x @ x) * x[2],
    "polynomial": lambda x: x[0] ** 4 + 3 * x[0] ** 2 * x[1] ** 2 + x[2] * x[1] ** 3,
    "control": lambda x: jax.lax.scan(
        lambda c, a: (jax.lax.cond(a > 0, jnp.sin, jnp.cos, c * a), None), x[0], x
    )[0],
    "attention": lambda x: jax.nn.softmax(jnp.outer(x, x)) @ x,
    "linear": lambda x: x @ WEIGHTS,
    "pieces": lambda x: jnp.maximum(x[0], x[1] ** 2) * jnp.abs(x[2]) + jnp.where(x[0] > 0, x, x**2),
}
POINT = jnp.asarray([0.7, 0.4, 0.9])
DIRECTIONS = np.array([[1.0, 0.0, 0.5], [0.0, -1.0, 1.0]])


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_collapsed_sum_is_the_sum_of_its_derivatives(name: str) -> None:
    function = FUNCTIONS[name]
    weights = np.array([2.0, -0.5])

    def both(point: Any) -> Any:
        collapsed = [directional_sum(function, point, DIRECTIONS, weights, k)[1] for k in (1, 2, 4)]
        each = [directional_derivatives(function, point, jnp.asarray(v), 4) for v in DIRECTIONS]
        return collapsed, [sum(w * e[k] for w, e in zip(weights, each)) for k in (1, 2, 4)]  # noqa: B905

    collapsed, each = jax.jit(both)(POINT)
    for found, expected in zip(collapsed, each, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize("name", ["products", "attention"])
def test_many_directions_that_share_an_axis_give_what_few_give(name: str) -> None:
    random = np.random.default_rng(5)
    directions, weights = random.normal(size=(13, 3)), random.normal(size=13)

    def both(point: Any) -> Any:
        def found(part: slice, k: int) -> Any:
            return directional_sum(FUNCTIONS[name], point, directions[part], weights[part], k)[1]

        return [(found(slice(13), k), found(slice(6), k) + found(slice(6, 13), k)) for k in (1, 3)]

    for together, apart in jax.jit(both)(POINT):
        np.testing.assert_allclose(together, apart, rtol=1e-10, atol=1e-9)


def test_the_laplacian_and_its_gradient_equal_nested_derivatives() -> None:
    points = jnp.asarray(np.random.default_rng(1).uniform(-1, 1, (5, 3)))

    def network(w: Any, x: Any) -> Any:
        return jnp.sum(jax.nn.silu(jnp.tanh(x @ w) @ w))

    def mine(w: Any, points: Any) -> Any:
        return jax.vmap(lambda x: laplacian(lambda y: network(w, y), x)[1])(points)

    def nested(w: Any, points: Any) -> Any:
        return jax.vmap(lambda x: jnp.trace(jax.hessian(lambda y: network(w, y))(x)))(points)

    @jax.jit
    def both(w: Any, points: Any) -> Any:
        losses = [lambda w, f=f: jnp.mean(f(w, points) ** 2) for f in (mine, nested)]
        return [jax.value_and_grad(loss)(w) for loss in losses]

    (a, da), (b, db) = both(WEIGHTS, points)
    assert float(a) == pytest.approx(float(b), rel=1e-12)
    np.testing.assert_allclose(da, db, rtol=1e-10, atol=1e-12)


def test_the_biharmonic_operator_by_three_directions() -> None:
    plan = directions_for([power_of_laplacian(2, 2)])
    function = lambda x: jnp.exp(x[0]) * jnp.sin(2 * x[1])  # noqa: E731  Δ² = (1 − 4)² u
    value, found = directional_sum(
        function, jnp.asarray([0.3, 0.8]), plan.directions, plan.weights[0], 4
    )
    assert float(found) == pytest.approx(9.0 * float(value), rel=1e-12)


def test_the_gradient_of_a_batch_of_8192_needs_little_memory() -> None:
    sizes = [2, 50, 50, 50, 50, 1]
    weights = [jnp.ones((m, n)) for m, n in zip(sizes, sizes[1:])]  # noqa: B905, RUF007

    def network(weights: Any, x: Any) -> Any:
        for w in weights[:-1]:
            x = jnp.tanh(x @ w)
        return (x @ weights[-1])[0]

    def values(weights: Any, points: Any) -> Any:
        return jax.vmap(lambda x: laplacian(lambda y: network(weights, y), x)[1])(points)

    def loss(weights: Any, points: Any) -> Any:
        return sum_of_squares(values, weights, points)[0]

    compiled = jax.jit(jax.grad(loss)).lower(weights, jnp.ones((8192, 2))).compile()
    memory = compiled.memory_analysis()
    assert memory is not None
    assert memory.temp_size_in_bytes < 50e6


@pytest.mark.parametrize("probe", ["gaussian", "rademacher", "axes"])
def test_estimates_are_unbiased_with_a_true_standard_error(probe: Any) -> None:
    function = lambda x: jnp.sum(jnp.sin(x @ WEIGHTS) ** 2) * x[0]  # noqa: E731
    exact = float(laplacian(function, POINT)[1])
    count = 2
    keys = jax.random.split(jax.random.key(3), 500)
    estimates, errors = jax.jit(
        jax.vmap(lambda key: estimate_laplacian(function, POINT, key, count, probe))
    )(keys)
    deviation = float(estimates.std())
    assert abs(float(estimates.mean()) - exact) < 4 * deviation / math.sqrt(len(keys))
    # The mean of the estimated variances is the variance of the estimates.
    assert float(jnp.mean(errors**2)) == pytest.approx(deviation**2, rel=0.25)


def test_all_axes_leave_no_error_and_powers_take_gaussian_directions() -> None:
    function = FUNCTIONS["network"]
    every = jax.jit(lambda key: estimate_laplacian(function, POINT, key, 3, "axes"))
    found, error = every(jax.random.key(0))
    assert float(error) == 0.0
    assert float(found) == pytest.approx(float(laplacian(function, POINT)[1]), rel=1e-12)
    quartic = FUNCTIONS["polynomial"]  # Δ² of it: 24 + 2·12
    run = jax.jit(lambda key: estimate_laplacian(quartic, POINT, key, 4000, "gaussian", 2))
    estimate, error = run(jax.random.key(1))
    assert abs(float(estimate) - 48.0) < 4 * float(error)
    refused: list[tuple[int, Any, int]] = [(4, "axes", 1), (1, "gaussian", 1), (4, "rademacher", 2)]
    for arguments in refused:
        with pytest.raises(ValueError, match="estimate"):
            estimate_laplacian(function, POINT, jax.random.key(0), *arguments)
