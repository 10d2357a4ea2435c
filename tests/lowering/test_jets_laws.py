"""Laws of series: algebra, composition, transformations of JAX, control flow, the fallback."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import reduce
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pdesl.lowering.jets.coefficients import taylor_coefficients

coefficients = st.lists(st.integers(-20, 20).map(lambda n: n / 8), min_size=5, max_size=5)


def along(function: Callable[..., Any], *series: Any, order: int = 4) -> np.ndarray:
    converted = [[jnp.asarray(c) for c in one] for one in series]
    return np.array(taylor_coefficients(function, converted, order))


@settings(max_examples=15)
@given(coefficients, coefficients)
def test_linearity_and_leibniz(a: list[float], b: list[float]) -> None:
    f, g = along(jnp.sin, a), along(jnp.exp, b)
    total = along(lambda u, v: 2.0 * jnp.sin(u) - 3.0 * jnp.exp(v), a, b)
    np.testing.assert_allclose(total, 2.0 * f - 3.0 * g, rtol=1e-12, atol=1e-12)
    product = along(lambda u, v: jnp.sin(u) * jnp.exp(v), a, b)
    leibniz = [sum(f[j] * g[k - j] for j in range(k + 1)) for k in range(5)]
    scale = 1.0 + np.abs(leibniz).max()
    np.testing.assert_allclose(product, leibniz, rtol=0.0, atol=1e-12 * scale)
    quotient = along(lambda u, v: jnp.sin(u) / jnp.exp(v), a, b)
    back = [sum(quotient[j] * g[k - j] for j in range(k + 1)) for k in range(5)]
    np.testing.assert_allclose(back, f, rtol=0.0, atol=1e-9 * (1.0 + np.abs(quotient).max()))


def bell_partitions(k: int, most: int) -> list[tuple[int, ...]]:
    if k == 0:
        return [()]
    return [(m, *rest) for m in range(min(k, most), 0, -1) for rest in bell_partitions(k - m, m)]


@settings(max_examples=15)
@given(coefficients)
def test_faa_di_bruno(x: list[float]) -> None:
    """y_k = Σ over partitions of k of f⁽ᵐ⁾(x₀) Π x_i^{n_i}/n_i!, here with f = sin."""
    cycle = [math.sin, math.cos, lambda v: -math.sin(v), lambda v: -math.cos(v)]
    expected = []
    for k in range(5):
        value = 0.0
        for parts in bell_partitions(k, k):
            counts = [parts.count(i) for i in set(parts)]
            weight = reduce(lambda w, n: w / math.factorial(n), counts, 1.0)
            value += cycle[len(parts) % 4](x[0]) * weight * math.prod(x[i] for i in parts)
        expected.append(value)
    np.testing.assert_allclose(
        along(jnp.sin, x), expected, rtol=0.0, atol=1e-12 * (1 + np.abs(expected).max())
    )


@settings(max_examples=15)
@given(coefficients)
def test_the_series_of_a_composition_is_the_series_along_the_inner_one(x: list[float]) -> None:
    inner = along(lambda v: jnp.tanh(v) + 2.0, x)
    whole = along(lambda v: jnp.log(jnp.tanh(v) + 2.0), x)
    np.testing.assert_allclose(along(jnp.log, inner), whole, rtol=1e-9, atol=1e-10)


# -- against nested automatic differentiation ----------------------------------------------


def nested(function: Callable[[Any], Any], series: list[Any], order: int) -> list[Any]:
    """Coefficients by nested jvp in t."""

    def slope(inner: Any) -> Any:
        return lambda t: jax.jvp(inner, (t,), (1.0,))[1]

    current = lambda t: function(sum(c * t**k for k, c in enumerate(series)))  # noqa: E731
    found = []
    for k in range(order + 1):
        found.append(current(0.0) / math.factorial(k))
        current = slope(current)
    return found


@jax.custom_vjp
def own_reverse(v: Any) -> Any:
    return jnp.sin(v) * v


own_reverse.defvjp(lambda v: (own_reverse(v), v), lambda v, g: (g * (jnp.cos(v) * v + jnp.sin(v)),))


def matrix(v: Any) -> Any:
    return jnp.outer(v, v) + jnp.diag(2.0 + v)


FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "scan": lambda v: jax.lax.scan(lambda c, a: (jnp.sin(c) * a + v[0], c * c), v.sum(), v)[1],
    "scan in reverse": lambda v: jax.lax.scan(
        lambda c, a: (c * a, jnp.tanh(c)), v[1], jnp.sin(v), reverse=True
    )[1],
    "scan of scans": lambda v: jax.lax.scan(
        lambda c, a: (jax.lax.scan(lambda d, b: (jnp.sin(d * b), None), c, v)[0] + a, c), v[0], v
    )[1],
    "loop": lambda v: jax.lax.fori_loop(0, 3, lambda i, c: jnp.tanh(c * v) + i, v),
    "while": lambda v: jax.lax.while_loop(
        lambda c: c[0] < 2, lambda c: (c[0] + 1, jnp.sin(c[1]) * v), (0, v)
    )[1],
    "cond": lambda v: jax.lax.cond(v[0] > 0.0, lambda a: jnp.sin(a) * v, lambda a: a * a, v),
    "switch": lambda v: jax.lax.switch(2, [jnp.sin, jnp.cos, lambda a: jnp.exp(a) * v[0]], v),
    "checkpoint": jax.checkpoint(lambda v: jnp.sin(v) * v),
    "solve": lambda v: jnp.linalg.solve(matrix(v), jnp.sin(v)),
    "cholesky": lambda v: jnp.linalg.cholesky(matrix(v)),
    "determinant": lambda v: jnp.linalg.det(matrix(v)),
    "products": lambda v: jnp.outer(v, jnp.cos(v)) @ jnp.sin(v),
    "convolution": lambda v: jnp.convolve(v, jnp.sin(v)),
    "fft": lambda v: jnp.abs(jnp.fft.fft(v)) ** 2,
    "sort": lambda v: jnp.sort(jnp.sin(7 * v)),
    "cumulative": lambda v: jnp.cumsum(v * v) + jnp.cumprod(v),
    "updates": lambda v: v.at[1].set(jnp.sin(v[0])).at[2].mul(v[1]) * jnp.roll(v, 1),
    "attention": lambda v: jax.nn.softmax(jnp.outer(v, v)) @ v,
    "norms": lambda v: jnp.linalg.norm(v) * jax.nn.logsumexp(v * v) * jnp.ones(3),
    "activations": lambda v: (
        jax.nn.relu(v) + jax.nn.softplus(v) + jax.nn.gelu(v) + jax.nn.silu(v) + jax.nn.elu(v)
    ),
    "special": lambda v: jax.scipy.special.gammaln(v) + jax.scipy.special.erfinv(v),
    "moving power": lambda v: v**v + jnp.mod(v, 0.3),
    "selection": lambda v: jnp.where(v > 0.4, jnp.sin(v), v * v) + jnp.max(v) * v,
}


# Their nested derivatives take long to compile.
SLOW = {"scan of scans", "cholesky", "determinant", "special", "attention", "loop", "activations"}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_series_equal_nested_derivatives(name: str) -> None:
    function, order = FUNCTIONS[name], 2 if name in SLOW else 3
    generator = np.random.default_rng(3)
    series = [jnp.asarray(generator.uniform(0.1, 0.8, 3)) for _ in range(3)]

    def both(series: Any) -> Any:
        mine = taylor_coefficients(function, [series], order)
        return mine, nested(function, series, order)

    mine, theirs = jax.jit(both)(series)
    for found, expected in zip(mine, theirs, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-11)


def test_series_pass_through_the_transformations_of_jax() -> None:
    def last(v: Any, w: Any) -> Any:
        return taylor_coefficients(lambda a: jnp.tanh(w @ jnp.sin(a)), [[v, v * v, w[0]]], 3)[3]

    generator = np.random.default_rng(0)
    v, w = jnp.asarray(generator.normal(size=3)), jnp.asarray(generator.normal(size=(3, 3)))
    value = last(v, w)
    np.testing.assert_allclose(jax.jit(last)(v, w), value, rtol=1e-12)
    batch = jax.vmap(last, in_axes=(0, None))(jnp.stack([v, 2 * v]), w)
    np.testing.assert_allclose(batch[1], last(2 * v, w), rtol=1e-12)
    direction = jnp.asarray(generator.normal(size=(3, 3)))
    slope = jax.jit(jax.jvp, static_argnums=0)(
        lambda w: jnp.sum(last(v, w) ** 2), (w,), (direction,)
    )[1]
    reverse = jax.jit(jax.grad(lambda w: jnp.sum(last(v, w) ** 2)))(w)
    np.testing.assert_allclose(jnp.sum(reverse * direction), slope, rtol=1e-10)
    h = 1e-5
    difference = jnp.sum(last(v, w + h * direction) ** 2 - last(v, w - h * direction) ** 2) / (
        2 * h
    )
    np.testing.assert_allclose(difference, slope, rtol=1e-6)


def test_reverse_mode_goes_through_a_scan_and_a_conditional() -> None:
    def last(v: Any) -> Any:
        def function(a: Any) -> Any:
            total = jax.lax.scan(lambda c, b: (jnp.sin(c * b), None), a[0], a)[0]
            return jax.lax.cond(total > 5.0, jnp.sin, lambda s: s * s, total)

        return taylor_coefficients(function, [[v, jnp.ones_like(v)]], 2)[2]

    v = jnp.asarray([0.3, 0.7, 0.9])
    gradient = jax.jit(jax.grad(last))(v)
    run = jax.jit(last)
    for i in range(3):
        h = jnp.zeros(3).at[i].set(1e-5)
        assert float(gradient[i]) == pytest.approx(
            float(run(v + h) - run(v - h)) / 2e-5, rel=1e-6, abs=1e-8
        )


def test_each_coefficient_costs_one_product_with_each_matrix() -> None:
    weights = [jnp.ones((3, 4)), jnp.ones((4, 3))]

    def series(v: Any) -> Any:
        network = lambda a: jnp.tanh(a @ weights[0]) @ weights[1]  # noqa: E731
        return taylor_coefficients(network, [[v, v, v]], 6)

    text = str(jax.make_jaxpr(series)(jnp.ones(3)))
    # x has orders 0 to 2, the hidden layer all seven.
    assert text.count("dot_general") == 3 + 7


def test_a_custom_vjp_goes_by_its_own_operations() -> None:
    """Nested forward mode refuses such a function; its series is that of what it computes."""
    found = along(own_reverse, [0.4, 1.0, -0.5])
    np.testing.assert_allclose(found, along(lambda v: jnp.sin(v) * v, [0.4, 1.0, -0.5]))


def test_series_go_through_derivatives_inside_a_function() -> None:
    """The divergence of a field, as a continuous normalising flow integrates it."""
    weights = jnp.asarray(np.random.default_rng(0).normal(size=(3, 3)))

    def divergence(v: Any) -> Any:
        return jnp.trace(jax.jacfwd(lambda z: jnp.tanh(weights @ z))(v))

    series = [jnp.asarray(np.random.default_rng(k).normal(size=3)) for k in range(2)]
    found = taylor_coefficients(divergence, [series], 2)
    expected = nested(lambda v: jnp.sum((1 - jnp.tanh(weights @ v) ** 2) * jnp.diag(weights)),
                      series, 2)  # fmt: skip
    np.testing.assert_allclose(found, expected, rtol=1e-10)
