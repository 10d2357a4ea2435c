"""The evaluation tape: NumPy, JAX and mpmath give one value for every function of the table."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from pdesl.lowering.emit import jax_namespace
from pdesl.symbolic.functions import (
    FUNCTIONS,
    UnsupportedExpression,
    make_function,
    numpy_namespace,
)  # fmt: skip
from pdesl.symbolic.jets import NotDifferentiable, derivative, differentiate
from tests.strategies_symbolic import expressions, table_expressions, x, y

# JAX has no Bessel functions; a formula with one is evaluated on NumPy when nodes are made.
MISSING = (sympy.besselj,)
points = st.tuples(*(st.floats(-1.5, 1.5).map(lambda v: round(v, 6)) for _ in range(2)))


def _namespaces(*expressions: sympy.Expr) -> list[Any]:
    lacking = any(e.has(*MISSING) for e in expressions)
    return [numpy_namespace()] if lacking else [numpy_namespace(), jax_namespace()]


def _exact(e: sympy.Expr, at: dict[sympy.Symbol, float]) -> float:
    exact = {s: sympy.Rational(str(v)) for s, v in at.items()}
    return float(sympy.N(e.xreplace(exact), 30))


@settings(max_examples=60)
@given(st.one_of(table_expressions((x, y)), expressions([x, y], 6)), points)
def test_the_tape_equals_exact_evaluation(e: sympy.Expr, at: tuple[float, float]) -> None:
    expected = _exact(e, dict(zip((x, y), at, strict=True)))
    for namespace in _namespaces(e):
        (found,) = make_function([e], [x, y], namespace)(*map(np.float64, at))
        assert float(found) == pytest.approx(expected, rel=1e-9, abs=1e-10), namespace.name


@settings(max_examples=60)
@given(st.one_of(table_expressions((x, y)), expressions([x, y], 6)), points)
def test_gradients_of_the_tape_equal_symbolic_ones(e: sympy.Expr, at: tuple[float, float]) -> None:
    if e.has(*MISSING):
        return
    try:
        slope = differentiate(e, x)
    except NotDifferentiable:
        return
    function = make_function([e], [x, y], jax_namespace())
    found = jax.grad(lambda a, b: jnp.asarray(function(a, b)[0], dtype=float))(*map(float, at))
    (symbolic,) = make_function([slope], [x, y], jax_namespace())(*map(jnp.float64, at))
    assert float(found) == pytest.approx(float(symbolic), rel=1e-8, abs=1e-9)


@settings(max_examples=60)
@given(st.one_of(table_expressions((x, y)), expressions([x, y], 6)))
def test_derivatives_are_those_of_sympy(e: sympy.Expr) -> None:
    own, theirs = derivative(e, x), sympy.diff(e, x)
    assert own == theirs or sympy.expand(own - theirs) == 0


@pytest.mark.parametrize("power", [-3, -2, -1, 0, 1, 2, 3, 7])
def test_whole_powers_at_zero_and_left_of_it(power: int) -> None:
    for exponent in (sympy.Integer(power), sympy.Float(power)):
        function = make_function([sympy.Pow(x, exponent, evaluate=False)], [x], jax_namespace())
        for value in (-2.0, -0.5, 0.0, 1.5):
            if value == 0.0 and power < 0:
                continue
            assert float(function(jnp.float64(value))[0]) == pytest.approx(value**power)
            slope = jax.grad(lambda v, f=function: f(v)[0] * 1.0)(jnp.float64(value))
            expected = power * value ** (power - 1) if power else 0.0
            assert float(slope) == pytest.approx(expected)


def test_whole_powers_of_derivatives_stay_finite_at_zero() -> None:
    """u^m/u with m = 3 put in as a float is u², not NaN."""
    m = sympy.Symbol("m", real=True)
    e = (x**m / x).xreplace({m: sympy.Float(3.0)})
    assert float(make_function([e], [x], jax_namespace())(jnp.float64(0.0))[0]) == 0.0


@pytest.mark.parametrize(
    ("e", "left", "middle", "right"),
    [
        (sympy.Abs(x), 0.5, 0.0, 0.5),
        (sympy.sign(x), -1.0, 0.0, 1.0),
        (FUNCTIONS["step"].symbolic(x), 0.0, 0.5, 1.0),
        (sympy.Max(x, 0), 0.0, 0.0, 0.5),
        (FUNCTIONS["cbrt"].symbolic(x), -(0.5 ** (1 / 3)), 0.0, 0.5 ** (1 / 3)),
        (sympy.floor(x), -1.0, 0.0, 0.0),
        (sympy.ceiling(x), 0.0, 0.0, 1.0),
    ],
)
def test_functions_with_kinks(e: sympy.Expr, left: float, middle: float, right: float) -> None:
    for namespace, array in ((numpy_namespace(), np.array), (jax_namespace(), jnp.array)):
        (found,) = make_function([e], [x], namespace)(array([-0.5, 0.0, 0.5]))
        assert np.allclose(found, [left, middle, right])


BRANCH = [
    -1 / math.e, np.nextafter(-1 / math.e, 0), -1 / math.e + 1e-12, -1 / math.e + 1e-6, -0.3, -0.2,
    -1e-9, -1e-300, 0.0, 1e-300, 0.1, 1.0, math.e, 2.999, 3.001, 1e5, 1e100, 1e308,
]  # fmt: skip


@pytest.mark.parametrize("value", BRANCH)
def test_lambertw_at_the_ends_of_its_range(value: float) -> None:
    with mpmath.workdps(40):
        expected = float(mpmath.re(mpmath.lambertw(mpmath.mpf(value))))
    for namespace in (numpy_namespace(), jax_namespace()):
        (found,) = make_function([sympy.LambertW(x)], [x], namespace)(np.float64(value))
        # Close to -1/e the rounding of e alone moves W by √(ε): 1.5e-8.
        near = value < -1 / math.e + 1e-9
        assert float(found) == pytest.approx(expected, rel=3e-8 if near else 1e-10, abs=0)


def test_lambertw_left_of_its_range_is_not_a_number() -> None:
    for namespace in (numpy_namespace(), jax_namespace()):
        (found,) = make_function([sympy.LambertW(x)], [x], namespace)(np.array([-1.0, -0.37]))
        assert np.isnan(np.asarray(found)).all()


def test_lambertw_in_float32() -> None:
    values = np.array([-1 / math.e, -0.36, 0.0, 1.0, 3.0, 1e30], dtype=np.float32)
    with mpmath.workdps(30):
        expected = [float(mpmath.re(mpmath.lambertw(float(v)))) for v in values]
    for namespace, array in ((numpy_namespace(), np.asarray), (jax_namespace(), jnp.asarray)):
        (found,) = make_function([sympy.LambertW(x)], [x], namespace)(array(values))
        assert np.allclose(found, expected, rtol=2e-4, atol=1e-7)


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_float32_in_gives_float32_out(name: str) -> None:
    entry = FUNCTIONS[name]
    if name == "besselj":
        arguments: list[sympy.Expr] = [sympy.Integer(1), x]
    elif name in ("min", "max", "atan2"):
        arguments = [x, y]
    else:
        arguments = [x]
    e = entry.symbolic(*arguments) * sympy.sqrt(2) + sympy.exp(1) + sympy.sin(1) * x
    pair = np.array([0.5, 0.7], dtype=np.float32)
    for namespace in _namespaces(e):
        array = jnp.asarray if namespace.name == "JAX" else np.asarray
        with np.errstate(invalid="ignore"):
            (found,) = make_function([e], [x, y], namespace)(array(pair), array(pair))
        assert found.dtype == np.float32, namespace.name


def test_common_subexpressions_are_evaluated_once() -> None:
    calls = []

    class Counting:
        def __getattr__(self, name: str) -> Any:
            calls.append(name)
            return getattr(np, name)

    namespace = numpy_namespace()
    counted = type(namespace)("numpy", Counting(), namespace.special, namespace.extra)  # type: ignore[arg-type]
    shared = sympy.sin(x * y)
    function = make_function([shared + 1, shared**2 * x, sympy.cos(shared)], [x, y], counted)
    calls.clear()
    function(0.3, 0.4)
    assert calls.count("sin") == 1


@pytest.mark.parametrize(
    "e",
    [sympy.Symbol("q"), sympy.zeta(x), sympy.I * x, sympy.Function("f")(x), sympy.DiracDelta(x)],
)
def test_what_has_no_numerical_form_is_named(e: sympy.Expr) -> None:
    with pytest.raises(UnsupportedExpression):
        make_function([e], [x], numpy_namespace())


def test_bessel_functions_are_refused_by_jax_only() -> None:
    e = sympy.besselj(0, x)
    assert make_function([e], [x], numpy_namespace())(0.0) == (1.0,)
    with pytest.raises(UnsupportedExpression):
        make_function([e], [x], jax_namespace())


@settings(max_examples=30)
@given(expressions([sympy.Integer(2), sympy.pi, sympy.E], 5))
def test_constants_become_plain_floats(e: sympy.Expr) -> None:
    for namespace in (numpy_namespace(), jax_namespace()):
        (found,) = make_function([e], [], namespace)()
        assert type(found) is float
        assert found == pytest.approx(float(e.evalf(30)), rel=1e-9, abs=1e-12, nan_ok=True)


@pytest.mark.parametrize("value", [-700.0, -40.0, -1.0, 0.99, 1.0, 1.01, 40.0, 900.0, 1e8])
def test_lambertw_of_an_exponential_neither_overflows_nor_loses_digits(value: float) -> None:
    with mpmath.workdps(40):
        expected = float(mpmath.re(mpmath.lambertw(mpmath.exp(mpmath.mpf(value)))))
    for namespace in (numpy_namespace(), jax_namespace()):
        function = make_function([sympy.LambertW(sympy.exp(x))], [x], namespace)
        assert float(function(np.float64(value))[0]) == pytest.approx(expected, rel=1e-13, abs=0)
        if -80 < value < 1e6:
            (single,) = function(np.float32(value))
            assert float(single) == pytest.approx(expected, rel=3e-5)
    slope = jax.grad(lambda s: make_function([sympy.LambertW(sympy.exp(x))], [x],
                                             jax_namespace())(s)[0])(value)  # fmt: skip
    assert float(slope) == pytest.approx(expected / (1 + expected), rel=1e-13)
