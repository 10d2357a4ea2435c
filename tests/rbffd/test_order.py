"""Observed orders p = 2 … 6 on scattered nodes in 1, 2 and 3 dimensions, and direct solves.

The norm is the relative l2 norm of the error of L u over all centres, boundary ones included; the
order is the slope of its logarithm over log h, h = N^(-1/d), by least squares. A formula of order
p with θ derivatives is exact for polynomials up to p + θ − 1, so its error is O(h^p) wherever the
stencil lies; the bound is p − 0.3. Ladders begin where stencils span a fraction of a wavelength
and end before rounding, about 1e-16 κ h^(−θ), shows.
"""

import functools
import itertools

import numpy as np
import pytest
from scipy.sparse import vstack
from scipy.sparse.linalg import spsolve

from pdesl.lowering.cloud import Cloud, make_cloud
from pdesl.lowering.rbffd import (
    biharmonic,
    directional_derivative,
    laplacian,
    make_weights,
    stencil_nodes,
    to_csr,
)
from pdesl.symbolic.geometry import Ball, Disk, Interval
from tests.rbffd.clouds import make_disk

ORDERS = (2, 3, 4, 5, 6)
REGIONS = {1: Interval(-1, 1), 2: Disk((0, 0), 1), 3: Ball((0, 0, 0), 1)}
PHASES = np.array([0.3, 1.7, -0.2])


@functools.cache
def scattered(dimension: int, nodes: int, seed: int = 0) -> Cloud:
    """Nodes of a region, each moved at random by up to a tenth of the spacing."""
    cloud = make_cloud(REGIONS[dimension], nodes=nodes, seed=1)
    random = np.random.default_rng([nodes, seed])
    inner = cloud.interior + 0.1 * cloud.spacing[0] * random.uniform(-1, 1, cloud.interior.shape)
    return Cloud.from_arrays(inner, cloud.boundary, cloud.normals, ghost=cloud.ghost)


def wave(x: np.ndarray, index: tuple[int, ...], number: float) -> np.ndarray:
    """∂^α of Π_i sin(k_i x_i + φ_i), k = number · (1, 0.8, 0.9)."""
    result = np.ones(len(x))
    for axis, times in enumerate(index):
        k = number * (1.0, 0.8, 0.9)[axis]
        result *= k**times * np.sin(k * x[:, axis] + PHASES[axis] + times * np.pi / 2)
    return result


def applied(operator: dict, x: np.ndarray, number: float) -> np.ndarray:
    return np.sum([c * wave(x, index, number) for index, c in operator.items()], axis=0)


def slope(spacings: list[float], errors: list[float]) -> float:
    return float(np.polyfit(np.log(spacings), np.log(errors), 1)[0])


def unit(dimension: int, *axes: int) -> tuple[int, ...]:
    return tuple(axes.count(axis) for axis in range(dimension))


#: For each dimension: wave number, number of centres, and numbers of nodes as multiples of a
#: stencil of the operator.
LADDERS = {
    1: (6.0, 200, (4.0, 5.0, 6.5, 8.0, 10.0, 13.0)),
    2: (2.5, 150, (4.0, 6.5, 10.0, 15.0)),
    3: (2.0, 60, (4.0, 8.0, 16.0, 30.0)),
}


def observed_orders(operators: list[dict], dimension: int, order: int) -> list[float]:
    """Of operators that share stencils, at centres spread over the whole region."""
    number, most, factors = LADDERS[dimension]
    theta = max(sum(index) for operator in operators for index in operator)
    size = stencil_nodes(order + theta - 1, dimension)
    spacings, errors = [], []
    for factor in factors:
        cloud = scattered(dimension, int(factor * size))
        stride = max(1, len(cloud.evaluation) // most)
        centres = cloud.evaluation[::stride]
        made = make_weights(cloud.points, centres, operators, order=order)
        spacings.append(len(cloud.evaluation) ** (-1 / dimension))
        line = []
        for place, operator in enumerate(operators):
            exact = applied(operator, centres, number)
            found = to_csr(made, place) @ wave(cloud.points, (0,) * dimension, number)
            line.append(np.linalg.norm(found - exact) / np.linalg.norm(exact))
        errors.append(line)
    return [slope(spacings, [e[i] for e in errors]) for i in range(len(operators))]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_first_derivatives(dimension: int, order: int):
    operators = [{unit(dimension, axis): 1.0} for axis in range(dimension)]
    assert min(observed_orders(operators, dimension, order)) >= order - 0.3


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_second_and_mixed_derivatives(dimension: int, order: int):
    pairs = itertools.combinations_with_replacement(range(dimension), 2)
    operators = [laplacian(dimension), *({unit(dimension, i, j): 1.0} for i, j in pairs)]
    assert min(observed_orders(operators, dimension, order)) >= order - 0.3


@pytest.mark.parametrize(
    ("dimension", "order"),
    [*itertools.product((1, 2), ORDERS), (3, 2), (3, 3)],
)
def test_fourth_and_mixed_derivatives(dimension: int, order: int):
    last = dimension - 1
    operators = [
        biharmonic(dimension),
        {unit(dimension, 0, 0, 0, 0): 1.0},
        {unit(dimension, 0, 0, 0, last): 1.0},
        {unit(dimension, 0, 0, last, last): 1.0},
    ]
    assert min(observed_orders(operators, dimension, order)) >= order - 0.3


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_robin_rows(dimension: int, order: int):
    """α(x) u + n·∇u at boundary nodes, on stencils with ghost nodes."""
    number, most, factors = LADDERS[dimension]
    size, zero = stencil_nodes(order, dimension), (0,) * dimension
    if dimension == 1:
        number = 3.0  # a longer wave: order 6 shows late at an end
    spacings, errors = [], []
    for factor in factors:
        wrong, known = [], []
        # An interval has two ends only: the mean square over several sets of nodes.
        for seed in range(8 if dimension == 1 else 1):
            cloud = scattered(dimension, int(factor * size), seed)
            stride = max(1, len(cloud.boundary) // most)
            centres, normals = cloud.boundary[::stride], cloud.normals[::stride]
            robin = directional_derivative(normals, value=2.0 + centres[:, 0])
            matrix = to_csr(make_weights(cloud.points, centres, [robin], order=order))
            known.append(applied(robin, centres, number))
            wrong.append(matrix @ wave(cloud.points, zero, number) - known[-1])
        spacings.append(len(cloud.evaluation) ** (-1 / dimension))
        errors.append(np.linalg.norm(wrong) / np.linalg.norm(known))
    assert slope(spacings, errors) >= order - 0.3


@functools.cache
def disk(spacing: float):
    return make_disk(spacing, seed=1)


@pytest.mark.parametrize(
    ("order", "bound"), [(2, 5e-4), (3, 1e-4), (4, 1e-5), (5, 1e-6), (6, 3e-7)]
)
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


@pytest.mark.parametrize("rows", ["derivative", "robin"])
@pytest.mark.parametrize("order", [2, 3, 4])
def test_order_in_the_maximum_norm_up_to_the_boundary(rows: str, order: int):
    spacings, errors = (0.1, 0.05, 0.025, 0.0125), []
    for spacing in spacings:
        interior, boundary, ghost = disk(spacing)
        points = np.concatenate([interior, boundary, ghost])
        centres, operator = np.concatenate([interior, boundary]), {(1, 0): 1.0}
        if rows == "robin":
            centres, operator = boundary, directional_derivative(boundary, value=2.0)
        exact = applied(operator, centres, 2.1)
        matrix = to_csr(make_weights(points, centres, [operator], order=order))
        errors.append(np.abs(matrix @ wave(points, (0, 0), 2.1) - exact).max())
    assert slope(list(spacings), errors) >= order - 0.2
