"""Exactness, invariance, fused sums, periodic directions and errors of RBF-FD weights."""

import itertools
import math

import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from pdesl.diagnostics import SolverError
from pdesl.lowering.rbffd import (
    biharmonic,
    default_exponent,
    directional_derivative,
    laplacian,
    make_weights,
    polynomial_degree,
    stencil_nodes,
    to_csr,
)
from tests.rbffd.clouds import make_box, make_disk


def unit(dimension: int, *axes: int) -> tuple[int, ...]:
    return tuple(axes.count(axis) for axis in range(dimension))


def operators(dimension: int) -> list[dict]:
    """First, second, mixed and fourth derivatives, and a sum of several orders."""
    last = dimension - 1
    return [
        {unit(dimension, 0): 1.0},
        {unit(dimension, last, last): 1.0},
        {unit(dimension, 0, last): 1.0},
        laplacian(dimension),
        biharmonic(dimension),
        {**laplacian(dimension), unit(dimension, 0): -2.0, unit(dimension): 3.0},
    ]


def random_polynomial(degree: int, dimension: int, seed: int):
    """A polynomial of total degree ℓ: its value, and the value of an operator applied to it."""
    powers = np.array(
        [p for p in itertools.product(range(degree + 1), repeat=dimension) if sum(p) <= degree]
    )
    factors = np.random.default_rng(seed).uniform(-1, 1, len(powers))

    def derivative(x: np.ndarray, index: tuple[int, ...]) -> np.ndarray:
        total = np.zeros(len(x))
        for power, factor in zip(powers, factors, strict=True):
            if all(power >= index):
                scale = math.prod(math.perm(int(a), b) for a, b in zip(power, index, strict=True))
                total += factor * scale * np.prod(x ** (power - index), axis=1)
        return total

    def apply(operator: dict, x: np.ndarray) -> np.ndarray:
        return np.sum([c * derivative(x, index) for index, c in operator.items()], axis=0)

    return lambda x: derivative(x, (0,) * dimension), apply


@pytest.mark.parametrize("dimension", [1, 2, 3])
@pytest.mark.parametrize("order", [2, 3, 4, 5, 6])
def test_polynomials_are_exact(dimension: int, order: int):
    for number, operator in enumerate(operators(dimension)):
        theta = max(map(sum, operator))
        if dimension == 3 and theta == 4 and order > 4:
            continue  # 441 nodes and more, which the cases below them cover in kind
        degree = polynomial_degree(order, theta)
        size = stencil_nodes(degree, dimension)
        points = make_box(3 * size, dimension, seed=order)
        centres = points[np.argsort(np.linalg.norm(points, axis=1))[:12]]
        weights = make_weights(points, centres, [operator], order=order)
        value, apply = random_polynomial(degree, dimension, seed=number)
        exact = apply(operator, centres)
        error = np.abs(to_csr(weights) @ value(points) - exact).max()
        assert error <= 1e-9 * max(1.0, np.abs(exact).max()), (operator, error)
        assert weights.degree == degree
        assert weights.values.shape == (12, size, 1)


@pytest.mark.parametrize("exponent", [5, 7, 9])
def test_kernels_are_exact(exponent: int):
    """A sum of kernels orthogonal to the polynomials lies in the stencil's own space."""
    points, order = make_box(31, 2), 3
    centre = points[:1]
    index = np.arange(31)
    operator = {(2, 0): 1.0, (1, 1): -0.5, (0, 1): 2.0, (0, 0): 0.3}
    weights = make_weights(
        points, centre, [operator], order=order, stencil_size=31, exponent=exponent
    )
    powers = [(a, b) for a in range(5) for b in range(5) if a + b <= 4]
    matrix = np.array([points[:, 0] ** a * points[:, 1] ** b for a, b in powers])
    factors = np.linalg.svd(matrix)[2][-1]
    distance = np.linalg.norm(points[:, None] - points[None], axis=2)
    values = distance**exponent @ factors

    x, y = sympy.symbols("x y")
    kernel = (x**2 + y**2) ** sympy.Rational(exponent, 2)
    exact = 0.0
    for power, coefficient in operator.items():
        term = sympy.diff(kernel, x, power[0], y, power[1])
        for node in index:
            offset = centre[0] - points[node]
            if np.any(offset):  # at r = 0 every derivative below the exponent vanishes
                value = term.evalf(20, {x: float(offset[0]), y: float(offset[1])})
                exact += coefficient * factors[node] * float(value)
    assert to_csr(weights) @ values == pytest.approx([exact], rel=1e-7)


@pytest.mark.parametrize("offset", [0.0, 100.0])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_translation_and_scale(offset: float, scale: float):
    # Random shifts, so that no two nodes are equally far from a third and rounding decides nothing.
    points = make_box(260, 2) + np.random.default_rng(0).uniform(-0.01, 0.01, (260, 2))
    reference = make_weights(points, points, [laplacian(2)], order=4)
    moved = offset * scale + scale * points
    weights = make_weights(moved, moved, [laplacian(2)], order=4)
    values = to_csr(weights).toarray() * scale**2
    # An offset of 100 rounds the nodes themselves to 1e-14 of their distances.
    assert np.abs(values - to_csr(reference).toarray()).max() <= 1e-7 * np.abs(values).max()


def test_error_does_not_grow_with_the_offset():
    interior, boundary, _ = make_disk(0.1)
    points = np.concatenate([interior, boundary])
    error = []
    for offset in (0.0, 100.0):
        weights = make_weights(points + offset, points + offset, [laplacian(2)], order=4)
        exact = -2 * np.sin(points[:, 0]) * np.cos(points[:, 1])
        values = np.sin(points[:, 0]) * np.cos(points[:, 1])
        error.append(np.abs(to_csr(weights) @ values - exact).max())
    assert error[1] == pytest.approx(error[0], rel=1e-3)


def test_variable_coefficients_and_shared_stencils():
    interior, boundary, _ = make_disk(0.15)
    points = np.concatenate([interior, boundary])
    generator = np.random.default_rng(1)
    coefficient = {index: generator.normal(size=len(points)) for index in [(2, 0), (1, 1), (0, 2)]}
    fused = {**coefficient, (1, 0): 2.5, (0, 0): generator.normal(size=len(points))}
    parts = [{index: 1.0} for index in fused]
    weights = make_weights(points, points, [fused, *parts], order=3)
    total = sum(
        np.reshape(factor, (-1, 1)) * weights.values[:, :, number]
        for number, factor in enumerate(fused.values(), start=1)
    )
    scale = np.abs(weights.values[:, :, 0]).max()
    assert np.abs(weights.values[:, :, 0] - total).max() <= 1e-9 * scale
    alone = make_weights(points, points, [fused], order=3)
    assert np.abs(alone.values[:, :, 0] - weights.values[:, :, 0]).max() <= 1e-9 * scale


def test_robin_rows_use_the_normals_of_each_node():
    interior, boundary, ghost = make_disk(0.1)
    points = np.concatenate([interior, boundary, ghost])
    alpha = 1 + boundary[:, 0] ** 2
    robin = directional_derivative(boundary, value=alpha, slope=0.5)
    weights = make_weights(points, boundary, [robin], order=3)
    values = points[:, 0] ** 2 * points[:, 1]
    x, y = boundary.T
    exact = alpha * x**2 * y + 0.5 * (x * 2 * x * y + y * x**2)
    assert np.abs(to_csr(weights) @ values - exact).max() <= 1e-10


@pytest.mark.parametrize("dimension", [1, 2])
def test_periodic_directions(dimension: int):
    points = make_box({1: 40, 2: 900}[dimension], dimension) + 7.3  # outside [0, period)
    periods = [2.0] + [None] * (dimension - 1)
    weights = make_weights(points, points, [{unit(dimension, 0): 1.0}], order=4, periods=periods)
    copies = [points + shift * np.eye(1, dimension)[0] for shift in (0.0, -2.0, 2.0)]
    unrolled = make_weights(np.concatenate(copies), points, [{unit(dimension, 0): 1.0}], order=4)
    count = len(points)
    folded = to_csr(unrolled).toarray().reshape(count, 3, count).sum(axis=1)
    assert np.allclose(to_csr(weights).toarray(), folded, rtol=0, atol=1e-6 * np.abs(folded).max())
    wave = np.sin(np.pi * points[:, 0])
    exact = np.pi * np.cos(np.pi * points[:, 0])
    assert np.abs(to_csr(weights) @ wave - exact).max() <= 2e-2


def test_weights_do_not_depend_on_threads():
    points = make_box(3000, 2)
    one = make_weights(points, points, [laplacian(2)], order=3, threads=1)
    three = make_weights(points, points, [laplacian(2)], order=3, threads=3)
    assert np.array_equal(one.values, three.values)
    assert np.array_equal(one.indices, three.indices)


def test_condition_estimate():
    points = make_box(200, 2)
    weights = make_weights(points, points[:20], [laplacian(2)], order=2, exponent=3)
    distance = np.linalg.norm(points[weights.indices] - points[:20, None], axis=2)
    assert np.allclose(weights.radius, distance.max(axis=1))
    for row in range(20):
        y = (points[weights.indices[row]] - points[row]) / weights.radius[row]
        size, legendre = len(y), np.polynomial.legendre.legval
        powers = [(a, b) for a in range(4) for b in range(4) if a + b <= 3]
        basis = np.stack(
            [legendre(y[:, 0], np.eye(4)[a]) * legendre(y[:, 1], np.eye(4)[b]) for a, b in powers],
            axis=1,
        )
        matrix = np.zeros((size + 10, size + 10))
        matrix[:size, :size] = np.linalg.norm(y[:, None] - y[None], axis=2) ** 3
        matrix[:size, size:], matrix[size:, :size] = basis, basis.T
        exact = np.linalg.cond(matrix, "fro")
        assert exact / 10 <= weights.condition[row] <= 10 * exact


def test_indices_fit_a_sparse_matrix():
    points = make_box(100, 2)
    weights = make_weights(points, points[:7], [laplacian(2), {(1, 0): 1.0}], order=2)
    assert weights.indices.dtype == np.int32
    assert np.all(np.diff(weights.indices, axis=1) > 0)
    matrix = to_csr(weights, 1, columns=130)
    assert matrix.shape == (7, 130)
    dense = np.zeros((7, 130))
    np.put_along_axis(dense, weights.indices.astype(np.int64), weights.values[:, :, 1], axis=1)
    assert np.array_equal(matrix.toarray(), dense)
    with pytest.raises(SolverError, match="99 columns"):
        to_csr(weights, 0, columns=99)


def test_default_exponent_is_allowed():
    for degree in range(1, 12):
        for theta in range(degree + 1):
            m = default_exponent(degree, theta)
            assert m % 2 == 1
            assert theta < m <= 2 * degree + 1


def error_of(**changes) -> SolverError:
    points = make_box(200, 2)
    arguments = {"points": points, "centres": points, "operators": [laplacian(2)], "order": 2}
    arguments.update(changes)
    with pytest.raises(SolverError) as raised:
        make_weights(**arguments)
    return raised.value


def test_too_few_nodes():
    error = error_of(points=make_box(30, 2), order=4)
    assert error.code == "E710"
    assert "at least 43 nodes; there are 30" in error.message
    error = error_of(points=make_box(25, 2), centres=np.zeros((1, 2)), periods=[2.0, 2.0])
    assert error.code == "E710"
    assert "half a period" in error.message


def test_coincident_nodes():
    points = make_box(200, 2)
    points[17] = points[93]
    error = error_of(points=points, centres=points)
    assert error.code == "E711"
    assert "nodes 17 and 93 coincide" in error.message
    points = make_box(200, 2)
    points[17] = points[93] + [2.0, 0.0]
    error = error_of(points=points, centres=points, periods=[2.0, None])
    assert error.code == "E711"
    assert "nodes 17 and 93 coincide" in error.message


def test_unusable_stencil():
    line = np.column_stack([np.linspace(0, 1, 60), np.zeros(60)])
    error = error_of(points=line, centres=line[30:31])
    assert error.code == "E712"
    assert "centre 0 at (0.508475, 0)" in error.message
    circle = np.array([[math.cos(t), math.sin(t)] for t in np.linspace(0, 6, 60)])
    assert error_of(points=circle, centres=circle).code == "E712"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"points": np.zeros(5)}, "shape"),
        ({"points": np.full((50, 2), np.nan)}, "not finite"),
        ({"centres": np.zeros((3, 3)), "operators": [laplacian(3)]}, "coordinates"),
        ({"operators": []}, "no operator"),
        ({"operators": [{(2,): 1.0}]}, "not a multi-index in 2 dimensions"),
        ({"operators": [{(2, -1): 1.0}]}, "not a multi-index"),
        ({"operators": [{(2, 0): np.ones(3)}]}, "shape (200,)"),
        ({"operators": [{(2, 0): math.inf}]}, "finite"),
        ({"order": 0}, "cannot represent"),
        ({"degree": 1}, "cannot represent"),
        ({"exponent": 4}, "must be odd"),
        ({"exponent": 1}, "above the derivative order"),
        ({"exponent": 21}, "at most"),
        ({"stencil_size": 5}, "smaller than the 10 polynomials"),
        ({"periods": [1.0]}, "periods"),
        ({"periods": [1.0, -1.0]}, "periods"),
    ],
)
def test_arguments_that_do_not_fit(changes: dict, words: str):
    error = error_of(**changes)
    assert error.code == "E713"
    assert words in error.message


@settings(max_examples=25)
@given(
    st.integers(1, 3),
    st.integers(2, 4),
    st.lists(st.integers(0, 2), min_size=3, max_size=3),
    st.floats(-3, 3),
    st.integers(0, 10_000),
)
def test_law_of_exactness(dimension, order, entries, logarithm, seed):
    """Any multi-index, dimension, scale and offset: polynomials up to ℓ are exact."""
    index = tuple(entries[:dimension])
    theta = sum(index)
    if theta > 4 - (dimension == 3):
        index, theta = unit(dimension, 0), 1
    degree, scale = polynomial_degree(order, theta), 10.0**logarithm
    points = make_box(2 * stencil_nodes(degree, dimension) + 20, dimension, seed % 50)
    centres = points[np.argsort(np.linalg.norm(points, axis=1))[:3]]
    weights = make_weights(scale * points, scale * centres, [{index: 1.0}], order=order)
    value, apply = random_polynomial(degree, dimension, seed)
    exact = apply({index: 1.0}, centres)
    error = to_csr(weights) @ value(points) * scale**theta - exact
    assert np.abs(error).max() <= 1e-9 * max(1.0, np.abs(exact).max())
