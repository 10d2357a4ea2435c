"""Observed orders of convergence on scattered nodes, and direct solves with Robin data."""

import functools

import numpy as np
import pytest
from scipy.sparse import vstack
from scipy.sparse.linalg import spsolve

from pdesl.lowering.rbffd import (
    biharmonic,
    directional_derivative,
    laplacian,
    make_weights,
    to_csr,
)
from tests.rbffd.clouds import make_box, make_disk

SPACINGS = (0.1, 0.07, 0.05, 0.035)
WAVE = (2.1, 1.7)


@functools.cache
def disk(spacing: float):
    return make_disk(spacing, seed=1)


def field(x: np.ndarray, a: int = 0, b: int = 0) -> np.ndarray:
    """∂x^a ∂y^b of sin(k₁x + 0.3) cos(k₂y − 0.2)."""
    first = WAVE[0] ** a * np.sin(WAVE[0] * x[:, 0] + 0.3 + a * np.pi / 2)
    return first * WAVE[1] ** b * np.cos(WAVE[1] * x[:, 1] - 0.2 + b * np.pi / 2)


def observed_order(operator: dict, order: int, spacings=SPACINGS) -> float:
    errors = []
    for spacing in spacings:
        interior, boundary, ghost = disk(spacing)
        points = np.concatenate([interior, boundary, ghost])
        centres = np.concatenate([interior, boundary])
        exact = sum(c * field(centres, *index) for index, c in operator.items())
        matrix = to_csr(make_weights(points, centres, [operator], order=order))
        errors.append(np.linalg.norm(matrix @ field(points) - exact) / np.linalg.norm(exact))
    return np.polyfit(np.log(spacings), np.log(errors), 1)[0]


@pytest.mark.parametrize("order", [2, 3, 4, 5])
@pytest.mark.parametrize("operator", [laplacian(2), {(1, 0): 1.0}, {(0, 1): 1.0}])
def test_order_of_laplacian_and_first_derivatives(operator: dict, order: int):
    assert observed_order(operator, order) >= order - 0.3


@pytest.mark.parametrize("order", [2, 4])
@pytest.mark.parametrize("operator", [{(1, 1): 1.0}, {(4, 0): 1.0}, {(3, 1): 1.0}, biharmonic(2)])
def test_order_of_mixed_and_fourth_derivatives(operator: dict, order: int):
    assert observed_order(operator, order, SPACINGS[:3]) >= order - 0.3


@pytest.mark.parametrize("order", [2, 3, 4, 5])
def test_order_of_robin_rows(order: int):
    errors = []
    for spacing in SPACINGS:
        interior, boundary, ghost = disk(spacing)
        points = np.concatenate([interior, boundary, ghost])
        slope = boundary[:, 0] * field(boundary, 1, 0) + boundary[:, 1] * field(boundary, 0, 1)
        exact = 2.0 * field(boundary) + slope
        robin = directional_derivative(boundary, value=2.0)
        matrix = to_csr(make_weights(points, boundary, [robin], order=order))
        errors.append(np.linalg.norm(matrix @ field(points) - exact) / np.linalg.norm(exact))
    assert np.polyfit(np.log(SPACINGS), np.log(errors), 1)[0] >= order - 0.3


@pytest.mark.parametrize("rows", ["derivative", "robin"])
@pytest.mark.parametrize("order", [2, 3, 4])
def test_order_in_the_maximum_norm_up_to_the_boundary(rows: str, order: int):
    spacings, errors = (0.1, 0.05, 0.025, 0.0125), []
    for spacing in spacings:
        interior, boundary, ghost = disk(spacing)
        points = np.concatenate([interior, boundary, ghost])
        if rows == "robin":
            centres, operator = boundary, directional_derivative(boundary, value=2.0)
            slope = boundary[:, 0] * field(boundary, 1, 0) + boundary[:, 1] * field(boundary, 0, 1)
            exact = 2.0 * field(boundary) + slope
        else:
            centres, operator = np.concatenate([interior, boundary]), {(1, 0): 1.0}
            exact = field(centres, 1, 0)
        matrix = to_csr(make_weights(points, centres, [operator], order=order))
        errors.append(np.abs(matrix @ field(points) - exact).max())
    assert np.polyfit(np.log(spacings), np.log(errors), 1)[0] >= order - 0.2


@pytest.mark.parametrize(("dimension", "order"), [(1, 2), (1, 4), (1, 6), (3, 2), (3, 3)])
def test_order_in_one_and_three_dimensions(dimension: int, order: int):
    counts = {1: (40, 60, 90, 130), 3: (1500, 3000, 6000, 12000)}[dimension]
    errors = []
    for count in counts:
        points = make_box(count, dimension, seed=2)
        inside = points[np.abs(points).max(axis=1) < 0.4]
        matrix = to_csr(make_weights(points, inside, [laplacian(dimension)], order=order))
        wave = np.sin(2 * points.sum(axis=1))
        exact = -4 * dimension * np.sin(2 * inside.sum(axis=1))
        errors.append(np.linalg.norm(matrix @ wave - exact) / np.linalg.norm(exact))
    slope = np.polyfit(np.log(np.array(counts) ** (-1 / dimension)), np.log(errors), 1)[0]
    assert slope >= order - 0.3


@pytest.mark.parametrize(("order", "bound"), [(2, 5e-4), (3, 1e-4), (4, 1e-5), (5, 1e-6)])
def test_direct_solve_with_robin_data(order: int, bound: float):
    """Δu = f in the disk, ∂n u + u = g on its boundary, 1,663 nodes and as many as boundary ghosts.

    u = 1 + sin πx cos πy, the solution of Sharma and Shankar (2022), equation (21).
    """
    interior, boundary, ghost = disk(0.0472)
    points = np.concatenate([interior, boundary, ghost])
    centres = np.concatenate([interior, boundary])
    assert 1600 < len(centres) < 1720

    def value(x):
        return 1 + np.sin(np.pi * x[:, 0]) * np.cos(np.pi * x[:, 1])

    slope_x = np.pi * np.cos(np.pi * boundary[:, 0]) * np.cos(np.pi * boundary[:, 1])
    slope_y = -np.pi * np.sin(np.pi * boundary[:, 0]) * np.sin(np.pi * boundary[:, 1])
    source = -2 * np.pi**2 * (value(centres) - 1)
    robin = boundary[:, 0] * slope_x + boundary[:, 1] * slope_y + value(boundary)
    rows = make_weights(points, centres, [laplacian(2)], order=order)
    edge = make_weights(
        points, boundary, [directional_derivative(boundary, value=1.0)], order=order
    )
    matrix = vstack([to_csr(rows), to_csr(edge)]).tocsc()
    solution = np.asarray(spsolve(matrix, np.concatenate([source, robin])))[: len(centres)]
    exact = value(centres)
    assert np.linalg.norm(solution - exact) <= bound * np.linalg.norm(exact)
