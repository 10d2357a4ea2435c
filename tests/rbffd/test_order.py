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
def scattered(dimension: int, nodes: int) -> Cloud:
    """Nodes of a region, each moved at random by up to a tenth of the spacing."""
    cloud = make_cloud(REGIONS[dimension], nodes=nodes, seed=1)
    random = np.random.default_rng(nodes)
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
    1: (6.0, 60, (3.0, 4.5, 6.5, 9.0)),
    2: (2.5, 150, (4.0, 6.5, 10.0, 15.0)),
    3: (2.0, 24, (4.0, 7.0, 12.0, 20.0)),
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
    print(dimension,order,theta,np.array(errors).T)
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
