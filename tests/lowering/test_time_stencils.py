"""Derivatives in time by differences on slices: exact for polynomials, of the stated order."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdesl.lowering.time_stencils import time_matrices


@given(
    st.lists(st.floats(0.05, 1.0), min_size=6, max_size=14),
    st.integers(1, 4),
    st.lists(st.floats(-1.0, 1.0), min_size=1, max_size=6),
)
def test_polynomials_are_exact_on_any_slices(steps, accuracy, coefficients):
    times = np.cumsum(steps) - 2.0
    for k, matrix in enumerate(time_matrices(times, 2, accuracy), start=1):
        exact = np.polynomial.Polynomial(coefficients[: k + accuracy])
        scale = max(1.0, np.max(np.abs(matrix)) * np.max(np.abs(exact(times))))
        np.testing.assert_allclose(matrix @ exact(times), exact.deriv(k)(times), atol=1e-10 * scale)


@pytest.mark.parametrize("accuracy", [2, 4, 6])
@pytest.mark.parametrize("derivative", [1, 2])
def test_order(accuracy, derivative):
    errors = []
    for count in (33, 65):
        times = np.linspace(0.0, 2.0, count)
        exact = np.real((2j) ** derivative * np.exp(2j * times))
        found = time_matrices(times, derivative, accuracy)[-1] @ np.cos(2 * times)
        errors.append(np.max(np.abs(found - exact)))
    assert np.log2(errors[0] / errors[1]) > accuracy - 0.4


def test_few_slices():
    times = np.array([0.0, 0.5, 2.0])
    matrices = time_matrices(times, 2, 6)
    np.testing.assert_allclose(matrices[0] @ times**2, 2 * times, atol=1e-12)
    np.testing.assert_allclose(matrices[1] @ times**2, [2.0, 2.0, 2.0], atol=1e-12)
    with pytest.raises(ValueError, match="derivative 2 needs 3 time slices, there are 2"):
        time_matrices(times[:2], 2, 6)
