"""Finite differences: exact on polynomials, of their order on functions, symbols of matrices."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pdesl.diagnostics import SolverError
from pdesl.lowering.differences import derivative_matrix, difference_symbol, weights


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(-20, 20), min_size=2, max_size=8, unique=True),
    st.floats(-3, 3),
    st.integers(0, 3),
)
def test_weights_are_exact_on_polynomials(nodes: list[int], place: float, derivative: int):
    x = np.array(nodes, float) / 10
    highest = min(derivative, len(x) - 1)
    found = weights(x, place, highest)
    random = np.random.default_rng(len(nodes))
    polynomial = np.polynomial.Polynomial(random.normal(size=len(x)))
    for k in range(highest + 1):
        exact = (polynomial.deriv(k) if k else polynomial)(place)
        bound = 1e-9 * np.sum(np.abs(found[k] * polynomial(x))) + 1e-9
        assert abs(found[k] @ polynomial(x) - exact) <= bound


@pytest.mark.parametrize("order", [2, 4, 6])
@pytest.mark.parametrize("derivative", [1, 2, 3])
def test_the_order_up_to_the_ends(order: int, derivative: int):
    errors = []
    for count in (24, 48):
        x = np.linspace(0, 2, count)
        matrix = derivative_matrix(count, x[1] - x[0], derivative, order, periodic=False)
        errors.append(np.abs(matrix @ np.exp(x) - np.exp(x)).max())
    assert np.log2(errors[0] / errors[1]) > order - 0.35


@pytest.mark.parametrize("derivative", [1, 2, 3, 4])
def test_the_symbol_is_what_the_periodic_matrix_does(derivative: int):
    count, spacing = 16, 0.3
    matrix = derivative_matrix(count, spacing, derivative, 4, periodic=True)
    waves = 2 * np.pi * np.fft.fftfreq(count, spacing)
    random = np.random.default_rng(0).normal(size=count)
    symbol = difference_symbol(waves, spacing, derivative, 4)
    assert np.allclose(matrix @ random, np.fft.ifft(symbol * np.fft.fft(random)).real)
    assert symbol[0] == 0


def test_too_few_points_say_how_many_are_needed():
    with pytest.raises(SolverError, match="needs 7 points") as caught:
        derivative_matrix(6, 0.1, 1, 6, periodic=False)
    assert caught.value.code == "E710"
