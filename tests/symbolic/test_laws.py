"""Laws of operators, total derivatives and erasure, on random expressions."""

from __future__ import annotations

import numpy as np
import pytest
import sympy
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pdesl.symbolic.functions import make_function, numpy_namespace
from pdesl.symbolic.jets import Jet, JetSpace, NotDifferentiable, differentiate
from pdesl.symbolic.metric import Metric
from pdesl.symbolic.operators import Frame, erase, marker
from tests.strategies_symbolic import (
    COORDINATES,
    PLANE,
    SPACE_TIME,
    concrete,
    expressions,
    number,
    t,
    values_of,
    x,
    y,
    z,
)  # fmt: skip

u, w = sympy.Function("u")(*COORDINATES), sympy.Function("w")(*COORDINATES)
formulas = expressions([x, y, z, t, u, w], 5)
few = settings(max_examples=15)


def _vanishes(expression: sympy.Expr) -> bool:
    """Whether an expression in jets is zero at a random point, to rounding."""
    values = values_of(expression.free_symbols)
    terms = make_function(sympy.Add.make_args(expression), list(values), numpy_namespace())
    found = np.array(terms(*map(float, values.values())))
    return bool(abs(found.sum()) <= 1e-11 * (1 + np.abs(found).sum()))


def _erased(expression: sympy.Expr) -> sympy.Expr:
    return erase(expression, SPACE_TIME)


def _vector(*parts: sympy.Expr) -> list[sympy.Expr]:
    return [marker("curl")(*parts, i) for i in (1, 2, 3)]


@few
@given(formulas)
def test_the_laplacian_is_the_divergence_of_the_gradient(e: sympy.Expr) -> None:
    gradient = [marker("grad")(e, i) for i in (1, 2, 3)]
    assert _vanishes(_erased(marker("lap")(e) - marker("div")(*gradient)))


@few
@given(formulas, formulas, formulas)
def test_the_divergence_of_a_curl_vanishes(a: sympy.Expr, b: sympy.Expr, c: sympy.Expr) -> None:
    assert _vanishes(_erased(marker("div")(*_vector(a, b, c))))


@few
@given(formulas)
def test_the_curl_of_a_gradient_vanishes(e: sympy.Expr) -> None:
    for part in _vector(*(marker("grad")(e, i) for i in (1, 2, 3))):
        assert _vanishes(_erased(part))


@few
@given(formulas)
def test_box_is_the_laplacian_less_the_second_time_derivative(e: sympy.Expr) -> None:
    second = sympy.Derivative(e, (t, 2), evaluate=False)
    assert _vanishes(_erased(marker("box")(e) - marker("lap")(e) + second))


@few
@given(formulas, st.integers(0, 3), st.integers(0, 3))
def test_total_derivatives_commute(e: sympy.Expr, i: int, j: int) -> None:
    space, erased = SPACE_TIME.space, _erased(e)
    there = space.total_derivative(space.total_derivative(erased, i), j)
    assert _vanishes(there - space.total_derivative(space.total_derivative(erased, j), i))


@few
@given(formulas, formulas, st.integers(0, 3))
def test_total_derivatives_obey_the_product_rule(a: sympy.Expr, b: sympy.Expr, i: int) -> None:
    space, a, b = SPACE_TIME.space, _erased(a), _erased(b)
    rule = space.total_derivative(a, i) * b + a * space.total_derivative(b, i)
    assert _vanishes(space.total_derivative(a * b, i) - rule)


@few
@given(formulas, formulas, st.sampled_from(["lap", "dn", "box"]))
def test_erasure_of_a_linear_operator_is_linear(a: sympy.Expr, b: sympy.Expr, name: str) -> None:
    operator, factor = marker(name), sympy.Rational(3, 7)
    whole = _erased(operator(a + factor * b))
    assert _vanishes(whole - _erased(operator(a)) - factor * _erased(operator(b)))


@settings(max_examples=10)
@given(formulas, st.lists(st.sampled_from(COORDINATES), min_size=1, max_size=3))
def test_erasure_agrees_with_derivatives_of_concrete_functions(
    e: sympy.Expr, along: list[sympy.Symbol]
) -> None:
    functions = {u: concrete(0, COORDINATES), w: concrete(1, COORDINATES)}
    jets = _erased(sympy.Derivative(e, *along, evaluate=False))
    space, values = SPACE_TIME.space, {}
    for jet in space.jets(jets):
        function = functions[u if jet.field == "u" else w]
        for coordinate, order in zip(space.coordinates, jet.orders, strict=True):
            function = sympy.diff(function, coordinate, order)
        values[space.symbol(jet)] = function
    assert _vanishes(jets.xreplace(values) - sympy.diff(e.xreplace(functions), *along))


@few
@given(st.integers(0, 2), st.integers(0, 2), st.integers(0, 2), st.integers(0, 2))
def test_jets_and_symbols_are_a_bijection(a: int, b: int, c: int, d: int) -> None:
    names = ("u", "u_1", "u2", "φ_out", "v_x", "E", "größe", "u1_2x", "n", "stiff")
    symbols = set()
    for name in names:
        jet = Jet(name, (a, b, c, d))
        symbol = SPACE_TIME.space.symbol(jet)
        assert type(symbol) is sympy.Symbol
        assert SPACE_TIME.space.jet_of(symbol) == jet
        symbols.add(symbol)
        assert SPACE_TIME.space.jet_of(sympy.Symbol(name, real=True)) is None
    assert len(symbols) == len(names)
    assert SPACE_TIME.space.jet_of(SPACE_TIME.normal(0)) is None


def test_a_field_has_derivatives_along_its_own_coordinates_only() -> None:
    space = JetSpace.over((t, x), {"u": (x,)})
    assert space.total_derivative(space.symbol(space.jet("u")), 0) == 0
    assert space.total_derivative(space.symbol(space.jet("u")), 1) != 0


# -- metrics -------------------------------------------------------------------------------

entries = expressions([x, y], 3)


@settings(max_examples=8)
@given(entries, entries, entries, expressions([x, y, sympy.Function("u")(x, y)], 4))
def test_the_laplacian_in_a_random_metric(
    a: sympy.Expr, b: sympy.Expr, c: sympy.Expr, e: sympy.Expr
) -> None:
    """1/√g ∂_i(√g g^{ij} ∂_j e) with √g itself, and equal to ∇·∇ and the flat one in g = δ."""
    matrix = sympy.ImmutableDenseMatrix([[2 + a**2, b / 9], [b / 9, 2 + c**2]])
    metric = Metric.of(matrix)
    values = values_of(matrix.free_symbols | {x, y})
    product = (metric.matrix * metric.inverse - sympy.eye(2)).xreplace(values)
    assert all(abs(number(p, {})) < 1e-12 for p in product)
    frame = Frame.over(PLANE.space, (0, 1), None, metric)
    space, erased = PLANE.space, erase(e, PLANE)
    g11, g12, g22 = 2 + a**2, b / 9, 2 + c**2
    determinant = g11 * g22 - g12**2
    assume(number(determinant, values) > 1e-3)
    root = sympy.sqrt(determinant)
    inverse = sympy.Matrix([[g22, -g12], [-g12, g11]]) / determinant
    slopes = [space.total_derivative(erased, i) for i in range(2)]
    textbook = sum(
        space.total_derivative(root * (inverse[i, 0] * slopes[0] + inverse[i, 1] * slopes[1]), i)
        for i in range(2)
    )
    found = erase(marker("lap")(e), frame)
    assert _vanishes(found - textbook / root)
    gradient = [marker("grad")(e, i) for i in (1, 2)]
    assert _vanishes(found - erase(marker("div")(*gradient), frame))
    plain = Frame.over(
        PLANE.space, (0, 1), None, Metric.of(sympy.ImmutableDenseMatrix(sympy.eye(2)))
    )
    assert _vanishes(erase(marker("lap")(e), plain) - erase(marker("lap")(e), PLANE))


# -- jumps ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "order"),
    [
        (lambda g: sympy.Abs(g), 1), (lambda g: sympy.Max(g, 0), 1), (sympy.sign, 0),
        (lambda g: sympy.Heaviside(g, sympy.S.Half), 0), (sympy.floor, 0), (sympy.ceiling, 0),
        (lambda g: sympy.Abs(g) ** 3, 3), (lambda g: sympy.Max(g, 0) ** 2, 2),
        (lambda g: g * sympy.Abs(g), 2),
    ],
)  # fmt: skip
def test_jumps_have_no_derivative(function, order: int) -> None:
    """So many derivatives exist and equal those on either side; the next one is refused."""
    for inner in (x, x**2 - x / 3):
        e = function(inner)
        for _ in range(order):
            following = differentiate(e, x)
            for place in (sympy.Rational(-3, 4), sympy.Rational(3, 4)):
                exact = sympy.diff(e, x).xreplace({x: place}).doit()
                assert sympy.N(following.xreplace({x: place})) == sympy.N(exact)
            e = following
        with pytest.raises(NotDifferentiable):
            differentiate(e, x)


def test_the_derivative_of_lambertw_is_regular_at_zero() -> None:
    slope = differentiate(sympy.LambertW(x * y), x)
    assert slope.xreplace({x: sympy.S.Zero, y: sympy.Integer(3)}) == 3
    sympy_slope = sympy.diff(sympy.LambertW(x * y), x)
    assert _vanishes(slope - sympy_slope)
    nested = sympy.LambertW(x + sympy.LambertW(x))
    assert _vanishes(differentiate(nested, x) - sympy.diff(nested, x))
