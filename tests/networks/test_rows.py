"""Evaluation in chunks: the same rows and sums, the same gradients."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pdesl.lowering.rows import chunked_rows, sum_of_squares

POINTS = jnp.asarray(np.random.default_rng(0).normal(size=(23, 2)))
TARGET = jnp.sin(POINTS[:, 0])
ROWS = {"x": POINTS, "f": TARGET}
PARAMETERS = {"w": jnp.asarray([[0.3, -1.0], [0.7, 0.2]]), "shift": jnp.asarray(0.1), "kind": 2}


def residuals(parameters, rows):
    h = jnp.tanh(rows["x"] @ parameters["w"]) ** parameters["kind"]
    return {"pde": h.sum(1) - rows["f"], "pair": h + parameters["shift"]}


@pytest.mark.parametrize("chunk", [1, 5, 22, 23, None])
def test_rows_and_sums_do_not_depend_on_the_chunk(chunk):
    expected = residuals(PARAMETERS, ROWS)
    found = chunked_rows(residuals, PARAMETERS, ROWS, chunk=chunk)
    total, parts = sum_of_squares(residuals, PARAMETERS, ROWS, chunk=chunk)
    for name, values in expected.items():
        assert found[name].shape == values.shape
        np.testing.assert_allclose(found[name], values, rtol=1e-14)
        np.testing.assert_allclose(parts[name], jnp.sum(values**2), rtol=1e-13)
    np.testing.assert_allclose(total, sum(parts.values()), rtol=1e-14)


@pytest.mark.parametrize("chunk", [1, 8])
def test_gradients_do_not_depend_on_the_chunk(chunk):
    def by_sum(free, rows):
        parameters = {**free, "kind": 2}
        total, parts = sum_of_squares(residuals, parameters, rows, chunk=chunk)
        return 3.0 * total, parts

    def by_rows(free, rows):
        found = chunked_rows(residuals, {**free, "kind": 2}, rows, chunk=chunk)
        return 3.0 * sum(jnp.sum(values**2) for values in found.values())

    free = {"w": PARAMETERS["w"], "shift": PARAMETERS["shift"]}
    expected = jax.grad(lambda p: 3.0 * sum(
        jnp.sum(v**2) for v in residuals({**p, "kind": 2}, ROWS).values()))(free)  # fmt: skip
    found, _ = jax.jit(jax.grad(by_sum, has_aux=True))(free, ROWS)
    also = jax.jit(jax.grad(by_rows))(free, ROWS)
    for name in free:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-12)
        np.testing.assert_allclose(also[name], expected[name], rtol=1e-12)


def test_arrays_of_an_enclosing_program_may_be_closed_over():
    def loss(w, data):
        scale = data["scale"] * 2.0

        def function(w, x):
            return scale * jnp.tanh(x @ w)[:, 0]

        return sum_of_squares(function, w, data["x"], chunk=4)[0]

    data = {"x": POINTS, "scale": jnp.asarray(1.5)}
    found = jax.jit(jax.grad(loss))(PARAMETERS["w"], data)
    expected = jax.grad(lambda w: jnp.sum((3.0 * jnp.tanh(POINTS @ w)[:, 0]) ** 2))(PARAMETERS["w"])
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_reports_carry_no_gradient():
    for chunk in (4, None):
        grad = jax.grad(lambda w, c=chunk: sum_of_squares(
            lambda w, x: x @ w, w, POINTS, chunk=c)[1])(PARAMETERS["w"])  # fmt: skip
        np.testing.assert_array_equal(grad, 0.0)


def test_rows_are_constants():
    with pytest.raises(TypeError, match="rows of `sum_of_squares` are constants"):
        jax.grad(lambda x: sum_of_squares(lambda w, x: x @ w, PARAMETERS["w"], x, chunk=4)[0])(
            POINTS
        )


def test_float32_stays_float32():
    w, x = PARAMETERS["w"].astype(jnp.float32), POINTS.astype(jnp.float32)
    for chunk in (4, None):
        assert sum_of_squares(lambda w, x: x @ w, w, x, chunk=chunk)[0].dtype == jnp.float32


def test_wrong_rows():
    with pytest.raises(ValueError, match="one common leading length"):
        chunked_rows(residuals, PARAMETERS, {"x": POINTS, "f": TARGET[:3]})
    with pytest.raises(ValueError, match="no rows"):
        sum_of_squares(residuals, PARAMETERS, {"x": POINTS[:0], "f": TARGET[:0]})
