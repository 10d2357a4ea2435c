"""□, ∇², ∂n and ∇·(κ ∇u) against finite differences on the matrix of a metric alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from pdesl.symbolic.functions import make_function, numpy_namespace
from pdesl.symbolic.jets import JetSpace
from pdesl.symbolic.metric import METRICS, Metric
from pdesl.symbolic.operators import Frame, erase, marker
from tests.metrics.exact import CHARTS, COORDINATES, build, t, x, y

Array = np.ndarray
STEP = 2e-3
NUMBERS = {"mass": 0.4, "spin": 0.3, "charge": 0.2}
PLACE = np.array([0.3, 1.1, 0.7, 0.9])


def _frame(metric: Metric, coordinates: tuple[sympy.Symbol, ...]) -> Frame:
    space = JetSpace.over(coordinates, {"u": coordinates})
    return Frame.over(space, tuple(range(1, len(coordinates))), 0, metric)


def _wave(coordinates: tuple[sympy.Symbol, ...]) -> sympy.Expr:
    phase = sympy.Add(*(sympy.Rational(i + 2, 3) * s for i, s in enumerate(coordinates)))
    return sympy.sin(phase) + sympy.cos(coordinates[-1] - coordinates[0] / 2)


def _exact(operator: sympy.Expr, frame: Frame, field: sympy.Expr, place: Array) -> float:
    """An expression with u erased into jets, and these replaced by derivatives of a field."""
    erased = erase(operator, frame)
    space = frame.space
    values = {}
    for jet in space.jets(erased):
        slope: Any = field
        for symbol, order in zip(space.coordinates, jet.orders, strict=True):
            slope = sympy.diff(slope, symbol, order) if order else slope
        values[space.symbol(jet)] = slope
    found: Any = erased.xreplace(values)
    symbols = [*space.coordinates, *(frame.normal(i) for i in range(frame.dimension))]
    normal = np.arange(1.0, frame.dimension + 1)
    normal /= np.linalg.norm(normal)
    (number,) = make_function([found], symbols, numpy_namespace())(*place, *normal)
    return float(number)


def _slope(function: Callable[[Array], Any], place: Array, axis: int) -> Any:
    """A central difference of fourth order."""
    step = STEP * np.eye(len(place))[axis]
    near = function(place + step) - function(place - step)
    far = function(place + 2 * step) - function(place - 2 * step)
    return (8 * near - far) / (12 * STEP)


def _numbers(expression: Any, coordinates: tuple[sympy.Symbol, ...]) -> Callable[[Array], Any]:
    if isinstance(expression, sympy.MatrixBase):
        entries: Any = list(expression.flat())
        function = make_function(entries, list(coordinates), numpy_namespace())
        shape = expression.shape
        return lambda p: np.array(function(*p), dtype=float).reshape(shape)
    function = make_function([expression], list(coordinates), numpy_namespace())
    return lambda p: float(function(*p)[0])


def _laplacian(matrix: Callable, field: Callable, factor: Callable, place: Array, first: int):
    """∂_μ(√|g| κ g^{μν} ∂_ν u)/(√|g|) over the axes from `first` on."""
    axes = range(first, len(place))

    def volume(p: Array) -> float:
        return float(np.sqrt(abs(np.linalg.det(matrix(p)[first:, first:]))))

    def flux(p: Array) -> Array:
        slopes = np.array([_slope(field, p, axis) for axis in axes])
        inverse = np.linalg.inv(matrix(p)[first:, first:])
        return volume(p) * factor(p) * (inverse @ slopes)

    terms = [_slope(flux, place, axis)[axis - first] for axis in axes]
    return sum(terms) / volume(place)


def _agree(metric: Metric, coordinates: tuple[sympy.Symbol, ...], place: Array) -> None:
    frame = _frame(metric, coordinates)
    u = sympy.Function("u")(*coordinates)
    field = _wave(coordinates)
    kappa = 2 + sympy.cos(coordinates[1] + coordinates[0])
    matrix, values = _numbers(metric.matrix, coordinates), _numbers(field, coordinates)
    gradient = [kappa * marker("grad")(u, i + 1) for i in range(frame.dimension)]
    cases = [
        (marker("box")(u), sympy.S.One, 0), (marker("lap")(u), sympy.S.One, 1),
        (marker("div")(*gradient), kappa, 1),
    ]  # fmt: skip
    for operator, factor, first in cases:
        found = _exact(operator, frame, field, place)
        wanted = _laplacian(matrix, values, _numbers(factor, coordinates), place, first)
        assert found == pytest.approx(wanted, rel=2e-6, abs=2e-6), operator
    normal = np.arange(1.0, frame.dimension + 1)
    normal /= np.linalg.norm(normal)
    inverse = np.linalg.inv(matrix(place)[1:, 1:])
    slopes = [_slope(values, place, axis) for axis in range(1, len(place))]
    wanted = normal @ inverse @ slopes / np.sqrt(normal @ inverse @ normal)
    found = _exact(marker("dn")(u), frame, field, place)
    assert found == pytest.approx(wanted, rel=1e-7, abs=1e-7)


@pytest.mark.parametrize(("name", "chart"), CHARTS)
def test_named_metrics(name: str, chart: str) -> None:
    options: dict[str, Any] = {k: sympy.Rational(repr(v)) for k, v in NUMBERS.items()}
    options |= {"scale": sympy.exp(t / 3), "center": (sympy.Rational(-1, 5), 0, sympy.S.Half)}
    metric, coordinates = build(name, chart, **options)
    place = PLACE[: len(coordinates)].copy()
    if METRICS[name].charts[chart].roles and len(coordinates) == 4:
        place[1] = 2.1  # outside every horizon
    _agree(metric, coordinates, place)


@settings(max_examples=3)
@given(st.lists(st.floats(-1, 1), min_size=10, max_size=10))
def test_random_lorentzian_metrics(numbers: list[float]) -> None:
    """−N² dt² + γ_ij (dx^i + β^i dt)(dx^j + β^j dt) with all entries moving and mixed."""
    c = [sympy.Rational(round(n * 100), 100) for n in numbers]
    frame = sympy.Matrix([
        [2 + c[0] * sympy.sin(t + y), c[1] * sympy.cos(x - t) / 3],
        [c[2] * sympy.sin(x * y) / 3, 2 + c[3] * sympy.cos(t * x)],
    ])  # fmt: skip
    space = frame.T * frame
    shift = sympy.Matrix([c[4] * sympy.sin(x + c[5] * t), c[6] * sympy.cos(y - t)])
    lapse = 1 + (c[7] + sympy.sin(x + c[8] * y + t)) ** 2 / 4
    low = space * shift
    corner = sympy.Matrix([[(low.T * shift)[0] - lapse**2]])
    matrix = sympy.Matrix(sympy.BlockMatrix([[corner, low.T], [low, space]]).as_explicit())
    metric = Metric.of(sympy.ImmutableDenseMatrix(matrix))
    _agree(metric, COORDINATES[:3], np.array([0.4 + numbers[9], 0.8, -0.3]))


def test_a_dyad_is_found_in_a_matrix() -> None:
    """A Kerr-Schild metric spelled out has a short inverse, and a right one."""
    named, coordinates = build("kerr", "kerr_schild", mass=sympy.S.Half, spin=sympy.Rational(1, 3))
    spelled = Metric.of(named.matrix)
    place = [0.2, 1.3, -0.8, 0.6]
    inverse = _numbers(spelled.inverse, coordinates)(np.array(place))
    matrix = _numbers(named.matrix, coordinates)(np.array(place))
    assert np.allclose(matrix @ inverse, np.eye(4), atol=1e-12)
    entry: Any = spelled.inverse[1, 2]
    by_adjugate = sum(sympy.count_ops(e) for e in named.matrix.flat()[:10])
    assert sympy.count_ops(entry) < 3 * by_adjugate
    number = _numbers(spelled.determinant, coordinates)(np.array(place))
    assert number == pytest.approx(-1, abs=1e-12)


def test_blocks_and_dyads_and_others() -> None:
    a, b, c, d = sympy.symbols("a b c d", real=True)
    cases = [
        sympy.Matrix([[a, b, 0, 0], [b, c, 0, 0], [0, 0, d, 0], [0, 0, 0, 1 + a**2]]),
        sympy.diag(a, b, c, d) + sympy.Matrix([1, a, b, c]) * sympy.Matrix([[1, a, b, c]]),
        sympy.Matrix([[a, b, c, d], [b, c, d, 1], [c, d, 2, a], [d, 1, a, b]]),
        sympy.Matrix([[a, 0, b, 0], [0, c, 0, d], [b, 0, 3, 0], [0, d, 0, 2]]),
    ]
    values = {a: 0.37, b: -1.21, c: 2.3, d: 0.77}
    for matrix in cases:
        metric = Metric.of(sympy.ImmutableDenseMatrix(matrix))
        numbers = _numbers(metric.matrix, tuple(values))(np.array(list(values.values())))
        inverse = _numbers(metric.inverse, tuple(values))(np.array(list(values.values())))
        assert np.allclose(numbers @ inverse, np.eye(4), atol=1e-10)
        found = _numbers(metric.determinant, tuple(values))(np.array(list(values.values())))
        assert found == pytest.approx(float(np.linalg.det(numbers)))


def test_the_coordinates_may_come_in_another_order() -> None:
    metric, _ = build("schwarzschild", "kerr_schild_spherical")
    turned = metric.permuted([0, 3, 1, 2])
    assert turned.matrix[1, 1] == metric.matrix[3, 3]
    assert turned.matrix[0, 2] == metric.matrix[0, 1]
    assert turned.space is not None
    assert turned.space.matrix == turned.matrix[1:, 1:]
    assert turned.permuted([0, 2, 3, 1]).inverse == metric.inverse
