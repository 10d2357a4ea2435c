"""Laws of tensor calculus in random metrics and fields, proved by exact rational arithmetic.

An identity between derivatives of rational functions is put to the test at rational points,
where both sides are exact numbers; nothing is simplified and nothing is rounded.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import permutations, product
from math import prod
from typing import Any

import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from pdesl.symbolic.jets import JetSpace
from pdesl.symbolic.metric import METRICS, Metric, NamedMetric
from pdesl.symbolic.tensors import (
    DOWN,
    UP,
    Tensor,
    christoffel,
    contract,
    covariant_derivative,
    curl,
    divergence,
    einstein,
    gradient,
    laplace_beltrami,
    lie_derivative,
    lowered,
    partial_derivative,
    raised,
    ricci,
    riemann,
    scalar_curvature,
    with_indices,
)  # fmt: skip
from pdesl.symbolic.vanishing import is_zero

Matrix = sympy.ImmutableDenseMatrix
t, x, y, z = COORDINATES = sympy.symbols("t x y z", real=True)
POINT = {t: Fraction(2, 7), x: Fraction(3, 5), y: Fraction(-1, 3), z: Fraction(5, 11)}
few = settings(max_examples=8)

small = st.integers(-2, 2)


@st.composite
def polynomials(draw: Any, size: int) -> sympy.Expr:
    """c₀ + c₁ x_i + c₂ x_j x_k in the first coordinates."""
    own = st.sampled_from(COORDINATES[:size])
    a, b, c = draw(small), draw(small), draw(small)
    return a + b * draw(own) + c * draw(own) * draw(own)


@st.composite
def metrics(draw: Any, size: int) -> Metric:
    """A diagonal of either sign that stays away from zero, with some entries beside it."""
    rows = sympy.zeros(size, size)
    for i in range(size):
        sign = draw(st.sampled_from((1, -1))) if i == 0 else 1
        rows[i, i] = sign * (9 + draw(polynomials(size)) ** 2)
        for j in range(i):
            if draw(st.booleans()):
                rows[i, j] = rows[j, i] = draw(polynomials(size)) / 3
    return Metric.of(Matrix(rows))


@st.composite
def geometries(draw: Any, sizes: tuple[int, ...] = (2, 3)) -> tuple[Metric, Any, Any]:
    size = draw(st.sampled_from(sizes))
    metric = draw(metrics(size))
    own = COORDINATES[:size]
    return metric, own, partial_derivative(own)


def vectors(draw: Any, size: int) -> list[sympy.Expr]:
    return [draw(polynomials(size)) for _ in range(size)]


class Evaluation:
    """Values and slopes of rational functions at `POINT`, each subexpression once."""

    def __init__(self) -> None:
        self.values: dict[Any, Fraction] = dict(POINT)
        self.slopes: dict[Any, tuple[Fraction, ...]] = {
            symbol: tuple(Fraction(i == j) for j in range(4))
            for i, symbol in enumerate(COORDINATES)
        }

    def value(self, node: Any) -> Fraction:
        if node in self.values:
            return self.values[node]
        if node.is_Rational:
            result = Fraction(int(node.p), int(node.q))
        elif node.is_Add:
            result = sum(map(self.value, node.args), Fraction(0))
        elif node.is_Mul:
            result = prod(map(self.value, node.args), start=Fraction(1))
        elif isinstance(node, sympy.Abs):
            result = abs(self.value(node.args[0]))
        else:
            assert node.is_Pow
            assert node.exp.is_Integer, node
            result = self.value(node.base) ** int(node.exp)
        self.values[node] = result
        return result

    def slope(self, node: Any) -> tuple[Fraction, ...]:
        """∂_μ of a node, by the rules of differentiation on numbers."""
        if node in self.slopes:
            return self.slopes[node]
        if node.is_Rational:
            parts = [(Fraction(0), node)]
        elif node.is_Add:
            parts = [(Fraction(1), a) for a in node.args]
        elif node.is_Mul:
            parts = [
                (prod((self.value(b) for j, b in enumerate(node.args) if j != i),
                      start=Fraction(1)), a)
                for i, a in enumerate(node.args)
            ]  # fmt: skip
        elif isinstance(node, sympy.Abs):
            inner = node.args[0]
            parts = [(Fraction(1 if self.value(inner) > 0 else -1), inner)]
        else:
            power = int(node.exp)
            parts = [(power * self.value(node.base) ** (power - 1), node.base)]
        total = [Fraction(0)] * 4
        for factor, part in parts:
            if factor and not part.is_Rational:
                total = [a + factor * b for a, b in zip(total, self.slope(part), strict=True)]
        self.slopes[node] = tuple(total)
        return self.slopes[node]

    def derivative(self, expression: sympy.Expr, axis: int) -> sympy.Expr:
        """The number that ∂_axis is at the point, for the last derivative in a law."""
        slope = self.slope(expression)[axis]
        return sympy.Rational(slope.numerator, slope.denominator)


def exact(expression: Any) -> Fraction:
    return Evaluation().value(sympy.S(expression))


def assert_zero(tensor: Tensor) -> None:
    at = Evaluation()
    assert all(at.value(e) == 0 for e in tensor.entries.values())


def assert_equal(left: Tensor, right: Tensor) -> None:
    assert left.sides == right.sides
    for indices in set(left.entries) | set(right.entries):
        assert exact(left[indices]) == exact(right[indices]), indices


@few
@given(geometries())
def test_christoffel_symbols_are_symmetric_and_the_metric_is_constant(geometry: Any) -> None:
    metric, own, derivative = geometry
    symbols = christoffel(metric, own)
    for upper, i, j in product(range(len(own)), repeat=3):
        assert symbols[upper][i][j] == symbols[upper][j][i]
    g = Tensor.of((DOWN, DOWN), metric.matrix, len(own))
    assert_zero(covariant_derivative(g, symbols, derivative))
    inverse = Tensor.of((UP, UP), metric.inverse, len(own))
    assert_zero(covariant_derivative(inverse, symbols, derivative))


@few
@given(geometries(), st.data())
def test_the_wave_operator_has_three_forms(geometry: Any, data: Any) -> None:
    metric, own, derivative = geometry
    size = len(own)
    field = data.draw(polynomials(size))
    symbols = christoffel(metric, own)
    slope = Tensor.of((DOWN,), [derivative(field, i) for i in range(size)], size)
    hessian = covariant_derivative(slope, symbols, derivative)
    assert_equal(hessian, hessian.transposed((1, 0)))
    boxed = exact(contract(raised(hessian, 0, metric), 0, 1)[()])
    assert boxed == exact(laplace_beltrami(metric, field, derivative))
    flux = Tensor.of((UP,), gradient(metric, field, derivative), size)
    spread = contract(covariant_derivative(flux, symbols, derivative), 0, 1)[()]
    assert boxed == exact(spread)


@few
@given(geometries(), st.data())
def test_the_divergence_is_the_contracted_derivative(geometry: Any, data: Any) -> None:
    metric, own, derivative = geometry
    vector = vectors(data.draw, len(own))
    field = Tensor.of((UP,), vector, len(own))
    slope = covariant_derivative(field, christoffel(metric, own), derivative)
    assert exact(contract(slope, 0, 1)[()]) == exact(divergence(metric, vector, derivative))


@few
@given(geometries(), st.data())
def test_the_commutator_of_derivatives_is_the_curvature(geometry: Any, data: Any) -> None:
    metric, own, derivative = geometry
    size = len(own)
    symbols = christoffel(metric, own)
    curvature = riemann(metric, own)
    for side in (UP, DOWN):
        field = Tensor.of((side,), vectors(data.draw, size), size)
        first = covariant_derivative(field, symbols, derivative)
        second = covariant_derivative(first, symbols, Evaluation().derivative)
        # second[μ, ν, ρ] = ∇_μ ∇_ν V_ρ, and [∇_μ, ∇_ν] V_ρ = R_{ρσμν} V^σ.
        lower = lowered(second, 2, metric)
        upper = raised(field, 0, metric)
        at = Evaluation()
        for m, n, p in product(range(size), repeat=3):
            if m < n:
                turned = sum(
                    at.value(curvature[p, s, m, n]) * at.value(upper[s]) for s in range(size)
                )
                assert at.value(lower[m, n, p]) - at.value(lower[n, m, p]) == turned


@few
@given(geometries((3, 4)))
def test_the_symmetries_of_the_curvature(geometry: Any) -> None:
    metric, own, _ = geometry
    curvature = riemann(metric, own)
    at = Evaluation()
    values = {i: at.value(e) for i, e in curvature.entries.items()}
    for a, b, c, d in product(range(len(own)), repeat=4):
        value = values.get((a, b, c, d), 0)
        assert value == -values.get((b, a, c, d), 0) == -values.get((a, b, d, c), 0)
        assert value == values.get((c, d, a, b), 0)
        assert value + values.get((a, c, d, b), 0) + values.get((a, d, b, c), 0) == 0
    tensor = ricci(metric, curvature)
    assert_equal(tensor, tensor.transposed((1, 0)))


@settings(max_examples=4)
@given(geometries((3,)))
def test_the_second_bianchi_identity(geometry: Any) -> None:
    metric, own, _ = geometry
    size = len(own)
    symbols = christoffel(metric, own)
    curvature = riemann(metric, own)
    at = Evaluation()
    slope = covariant_derivative(curvature, symbols, at.derivative)
    values = {i: at.value(e) for i, e in slope.entries.items()}
    for k, p, s, m, n in product(range(size), repeat=5):
        if p < s and k < m < n:
            cyclic = ((k, p, s, m, n), (m, p, s, n, k), (n, p, s, k, m))
            assert sum(values.get(i, 0) for i in cyclic) == 0
    tensor = raised(einstein(metric, ricci(metric, curvature)), 0, metric)
    assert_zero(contract(covariant_derivative(tensor, symbols, at.derivative), 0, 1))


@few
@given(geometries(), st.data())
def test_the_lie_derivative_needs_no_metric(geometry: Any, data: Any) -> None:
    metric, own, derivative = geometry
    size = len(own)
    vector = vectors(data.draw, size)
    symbols = christoffel(metric, own)
    g = Tensor.of((DOWN, DOWN), metric.matrix, size)
    # ℒ_V g = ∇_μ V_ν + ∇_ν V_μ
    lower = lowered(Tensor.of((UP,), vector, size), 0, metric)
    slope = covariant_derivative(lower, symbols, derivative)
    found = lie_derivative(vector, g, derivative)
    for i, j in product(range(size), repeat=2):
        assert exact(found[i, j]) == exact(slope[i, j]) + exact(slope[j, i])
    # [V, W] = −[W, V] and ℒ_V e = V^μ ∂_μ e
    other = vectors(data.draw, size)
    one = lie_derivative(vector, Tensor.of((UP,), other, size), derivative)
    two = lie_derivative(other, Tensor.of((UP,), vector, size), derivative)
    assert all(exact(one[i]) == -exact(two[i]) for i in range(size))


@few
@given(st.data())
def test_curl_of_a_gradient_and_divergence_of_a_curl_vanish(data: Any) -> None:
    own, roots = COORDINATES[:3], []
    for _ in range(3):
        roots.append(3 + data.draw(polynomials(3)) ** 2)
    shear = data.draw(polynomials(3))
    # A triangular frame has a determinant with a rational root.
    a, b, c = roots
    frame = sympy.Matrix([[a, shear, 0], [0, b, 0], [0, 0, c]])
    inverse = sympy.Matrix([[1 / a, -shear / (a * b), 0], [0, 1 / b, 0], [0, 0, 1 / c]])
    metric = Metric(Matrix(frame.T * frame), Matrix(inverse * inverse.T), a**2 * b**2 * c**2)
    derivative, at = partial_derivative(own), Evaluation()

    turned = curl(metric, vectors(data.draw, 3), derivative)
    assert at.value(divergence(metric, turned, at.derivative)) == 0
    slope = gradient(metric, data.draw(polynomials(3)), derivative)
    assert all(at.value(e) == 0 for e in curl(metric, slope, at.derivative))


@few
@given(geometries(), st.data())
def test_the_wave_operator_is_the_same_in_every_chart(geometry: Any, data: Any) -> None:
    metric, own, derivative = geometry
    size = len(own)
    field = data.draw(polynomials(size))
    # A triangular change of coordinates x = X(x′), which has a rational inverse of its slope.
    new = [own[i] + (data.draw(polynomials(size)) ** 2).subs(
        dict.fromkeys(own[i:], 0)) for i in range(size)]  # fmt: skip
    moved = dict(zip(own, new, strict=True))
    slope = sympy.Matrix(size, size, lambda i, j: sympy.diff(new[i], own[j]))
    matrix = Matrix(slope.T * sympy.Matrix(metric.matrix).subs(moved, simultaneous=True) * slope)
    other = Metric.of(matrix)
    moved_field = field.subs(moved, simultaneous=True)
    there = laplace_beltrami(other, moved_field, derivative)
    here = laplace_beltrami(metric, field, derivative).subs(moved, simultaneous=True)
    assert exact(there) == exact(here)


@few
@given(geometries(), st.data())
def test_jets_and_explicit_fields_give_the_same(geometry: Any, data: Any) -> None:
    metric, own, derivative = geometry
    space = JetSpace.over(own, {"u": own})
    field = data.draw(polynomials(len(own)))
    erased = laplace_beltrami(metric, space.symbol(space.jet("u")), space.total_derivative)
    values = {}
    for jet in space.jets(erased):
        slope = field
        for symbol, order in zip(own, jet.orders, strict=True):
            slope = sympy.diff(slope, symbol, order) if order else slope
        values[space.symbol(jet)] = slope
    assert exact(erased.xreplace(values)) == exact(laplace_beltrami(metric, field, derivative))


def _schwarzschild() -> tuple[Metric, Any]:
    # The rational chart c = cos θ, so that every entry is a rational function.
    mass = sympy.Rational(1, 3)
    lapse = 1 - 2 * mass / x
    rows = sympy.diag(-lapse, 1 / lapse, x**2 / (1 - y**2), x**2 * (1 - y**2))
    return Metric.of(Matrix(rows)), COORDINATES


def _kerr() -> tuple[Metric, Any]:
    mass, spin = sympy.Rational(1, 3), sympy.Rational(1, 4)
    sine = 1 - y**2
    sigma, delta = x**2 + spin**2 * y**2, x**2 - 2 * mass * x + spin**2
    rows = sympy.diag(
        -(1 - 2 * mass * x / sigma), sigma / delta, sigma / sine,
        sine * (x**2 + spin**2 + 2 * mass * x * spin**2 * sine / sigma),
    )  # fmt: skip
    rows[0, 3] = rows[3, 0] = -2 * mass * spin * x * sine / sigma
    return Metric.of(Matrix(rows)), COORDINATES


@pytest.mark.parametrize("make", [_schwarzschild, _kerr])
def test_black_holes_are_ricci_flat_and_curved(make: Any) -> None:
    metric, own = make()
    curvature = riemann(metric, own)
    assert any(exact(e) != 0 for e in curvature.entries.values())
    assert_zero(ricci(metric, curvature))


def test_the_curvature_invariant_of_a_black_hole() -> None:
    """R_{μνρσ} R^{μνρσ} = 48 M²/r⁶ of a Schwarzschild metric (MTW, exercise 31.8)."""
    metric, own = _schwarzschild()
    curvature = riemann(metric, own)
    upper = with_indices(curvature, (UP,) * 4, metric)
    found = sum(exact(e) * exact(upper[i]) for i, e in curvature.entries.items())
    assert found == 48 * Fraction(1, 3) ** 2 / POINT[x] ** 6


def test_the_sphere_has_the_curvature_of_a_sphere() -> None:
    """R = 2/a² and R_{θφθφ} = a² sin²θ of a sphere of radius a, here in the chart cos θ = x."""
    radius, own = sympy.Integer(3), (x, y)
    metric = Metric.of(Matrix(sympy.diag(radius**2 / (1 - x**2), radius**2 * (1 - x**2))))
    curvature = riemann(metric, own)
    assert exact(scalar_curvature(metric, ricci(metric, curvature))) == Fraction(2, 9)
    assert exact(curvature[0, 1, 0, 1]) == 9


def test_flat_space_in_curved_coordinates_is_flat() -> None:
    metric = Metric.of(Matrix(sympy.diag(1, x**2 / (1 - y**2), x**2 * (1 - y**2))))
    assert_zero(riemann(metric, (x, y, z)))
    for order in permutations(range(3)):
        rows = metric.matrix.extract(list(order), list(order))
        own = [(x, y, z)[i] for i in order]
        assert_zero(riemann(Metric.of(Matrix(rows)), own))


# -- every metric by name ------------------------------------------------------------------

MASS, SPIN, CHARGE, MAJOR, LENGTH = sympy.symbols("M a Q b L", positive=True)
OPTIONS: dict[str, dict[str, Any]] = {
    "flat": {}, "minkowski": {},
    "schwarzschild": {"mass": MASS, "center": (sympy.S.Zero,) * 3},
    "reissner_nordstrom": {"mass": MASS, "charge": CHARGE, "center": (sympy.S.Zero,) * 3},
    "kerr": {"mass": MASS, "spin": SPIN, "center": (sympy.S.Zero,) * 3},
    "flrw": {"scale": t, "curvature": -sympy.S.One, "time": "cosmic"},
    "anti_de_sitter": {"radius": LENGTH},
    "sphere": {"radius": LENGTH},
    "torus": {"major": MAJOR, "minor": LENGTH},
}  # fmt: skip
CHARTS = [(m, c) for m in METRICS.values() for c in m.charts]


def _proportional(metric: Metric, curvature: Tensor, factor: sympy.Expr) -> bool:
    """R_{ρσμν} = K (g_{ρμ} g_{σν} − g_{ρν} g_{σμ}): a space of constant curvature K."""
    g: Any = metric.matrix
    return all(
        is_zero(curvature[p, s, m, n] - factor * (g[p, m] * g[s, n] - g[p, n] * g[s, m]))
        for p, s, m, n in product(range(curvature.size), repeat=4)
        if p < s and m < n and (p, s) <= (m, n)
    )


@pytest.mark.parametrize(("named", "name"), CHARTS, ids=[f"{m.name}-{c}" for m, c in CHARTS])
def test_every_metric_by_name_has_its_curvature(named: NamedMetric, name: str) -> None:
    assert named.name in OPTIONS, "say here what curvature the new metric has"
    chart = named.charts[name]
    space = COORDINATES[1 : 1 + min(3, chart.count[1])]
    metric = chart.build(t if named.time else None, space, **OPTIONS[named.name])
    own = (t, *space) if named.time else space
    curvature = riemann(metric, own)
    match named.name:
        case "flat" | "minkowski" | "flrw":  # a ∝ t with k = −1 is a part of flat space-time
            assert all(is_zero(e) for e in curvature.entries.values())
        case "schwarzschild" | "kerr":
            assert all(is_zero(e) for e in ricci(metric, curvature).entries.values())
            assert not is_zero(curvature[0, 1, 0, 1])
        case "reissner_nordstrom":
            tensor = ricci(metric, curvature)
            assert is_zero(scalar_curvature(metric, tensor))
            assert not all(is_zero(e) for e in tensor.entries.values())
        case "anti_de_sitter":
            assert _proportional(metric, curvature, -(LENGTH**-2))
        case "sphere":
            assert _proportional(metric, curvature, LENGTH**-2)
        case "torus":
            cosine = sympy.cos(space[0])
            assert _proportional(metric, curvature, cosine / LENGTH / (MAJOR + LENGTH * cosine))
