"""Series of every function of the language, at generic and at edge points."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from pdesl.lowering.emit import jax_namespace
from pdesl.lowering.jets.coefficients import directional_derivatives, taylor_coefficients
from pdesl.lowering.jets.derivative import UnsupportedPrimitive
from pdesl.lowering.jets.program import build
from pdesl.lowering.jets.rules import has_own_rule
from pdesl.symbolic.functions import FUNCTIONS, make_function
from tests.strategies_symbolic import expressions, table_expressions, x, y

ORDER = 4
# What has no rule of its own and goes by its derivative, as docs/pages/taylor.md says.
FALLBACK = {"gamma": {"lgamma"}, "loggamma": {"lgamma"}, "lambertw": {"custom_jvp_call"}}
# JAX has no Bessel functions at all.
MISSING = {"besselj"}
START = {"acosh": 1.9, "gamma": 1.4, "loggamma": 1.4, "ceil": 0.6, "floor": 0.6}
CURVE = (0.3, 0.2)


def applied(name: str, inner: sympy.Expr) -> sympy.Expr:
    entry = FUNCTIONS[name]
    if name == "atan2":
        return entry.symbolic(inner, 1 + inner**2)
    if name in ("min", "max"):
        return entry.symbolic(inner, inner**2, sympy.Rational(1, 5))
    return entry.symbolic(inner)


def symbolic_coefficients(e: sympy.Expr, curves: dict[sympy.Symbol, Any], order: int) -> list:
    """Taylor coefficients in t of an expression whose symbols run along polynomials in t."""
    t = sympy.Symbol("t", real=True)
    exact = {
        s: sum(sympy.Rational(str(c)) * t**k for k, c in enumerate(series))
        for s, series in curves.items()
    }
    current = e.xreplace(exact)
    found = []
    for k in range(order + 1):
        found.append(float(sympy.N(current.subs(t, 0), 25)) / math.factorial(k))
        current = sympy.diff(current, t)
    return found


NAMES = sorted(set(FUNCTIONS) - MISSING)


@pytest.fixture(scope="module")
def every_series() -> dict[str, list[float]]:
    """The coefficients of every function of the table, from one compiled program."""
    functions = {n: make_function([applied(n, x)], [x], jax_namespace()) for n in NAMES}

    def run(starts: Any) -> Any:
        def all_of(arguments: Any) -> Any:
            return {n: functions[n](arguments[n])[0] for n in NAMES}

        slopes = [dict.fromkeys(NAMES, jnp.asarray(c)) for c in CURVE]
        return taylor_coefficients(all_of, [[starts, *slopes]], ORDER)

    found = jax.jit(run)({n: jnp.asarray(START.get(n, 0.4)) for n in NAMES})
    return {n: [float(one[n]) for one in found] for n in NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_a_function_of_the_table_has_its_symbolic_series(
    name: str, every_series: dict[str, list[float]]
) -> None:
    series = (START.get(name, 0.4), *CURVE)
    if name in ("sign", "step", "floor", "ceil"):
        value = float(applied(name, sympy.Rational(str(series[0]))))
        expected = [value, *[0.0] * ORDER]
    else:
        expected = symbolic_coefficients(applied(name, x), {x: series}, ORDER)
    np.testing.assert_allclose(every_series[name], expected, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_a_function_of_the_table_has_a_rule_or_a_documented_fallback(name: str) -> None:
    function = make_function([applied(name, x)], [x], jax_namespace())
    closed = jax.make_jaxpr(lambda a: function(a)[0])(0.5)
    program = build(closed, [True])
    without = {s.primitive.name for s in program.steps if any(s.varies) and not has_own_rule(s)}
    assert without == FALLBACK.get(name, set())


def test_missing_functions_are_those_that_jax_lacks() -> None:
    for name in MISSING:
        assert name not in jax_namespace().extra
        assert not hasattr(jax.scipy.special, name)


@settings(max_examples=12)
@given(
    st.one_of(table_expressions((x, y)), expressions([x, y], 5)),
    st.lists(st.integers(-12, 12).map(lambda n: n / 10), min_size=6, max_size=6),
)
def test_a_random_composition_has_its_symbolic_series(e: sympy.Expr, numbers: list) -> None:
    if e.has(sympy.besselj) or e.has(sympy.sign, sympy.Heaviside, sympy.floor, sympy.ceiling):
        return
    if e.has(sympy.Abs, sympy.Max, sympy.Min) and (0.0 in numbers or len(set(numbers)) < 6):
        return  # kinks have tests of their own
    curves = {x: numbers[:3], y: numbers[3:]}
    expected = np.array(symbolic_coefficients(e, curves, 3))
    function = make_function([e], [x, y], jax_namespace())
    series = [[jnp.asarray(c) for c in curve] for curve in curves.values()]
    found = taylor_coefficients(lambda a, b: function(a, b)[0] + 0.0 * a, series, 3)
    scale = 1.0 + np.abs(expected).max()
    np.testing.assert_allclose(found, expected, rtol=0.0, atol=1e-10 * scale)


# -- edges ---------------------------------------------------------------------------------


def series_of(function: Callable[[Any], Any], *series: float, order: int = 4) -> list[float]:
    coefficients = [jnp.asarray(c) for c in series]
    return [float(v) for v in taylor_coefficients(function, [coefficients], order)]


@pytest.mark.parametrize(
    ("function", "series", "expected"),
    [
        (lambda v: v**2.0, (0.0, 1.0), [0, 0, 1, 0, 0]),
        (lambda v: v**2.0, (-3.0, 1.0), [9, -6, 1, 0, 0]),
        (lambda v: v**3, (0.0, 2.0, 1.0), [0, 0, 0, 8, 12]),
        (lambda v: v**7, (0.0, 1.0), [0, 0, 0, 0, 0]),
        (lambda v: v**4.5, (0.0, 1.0), [0, 0, 0, 0, 0]),
        (lambda v: v**0, (0.0, 1.0), [1, 0, 0, 0, 0]),
        (lambda v: v**-2, (-1.0, 1.0), [1, 2, 3, 4, 5]),
        (lambda v: jnp.cbrt(v), (-8.0, 12.0), [-2, 1, 0.5, 5 / 12, 5 / 12]),
        (jnp.sinc, (0.0, 1 / np.pi), [1, 0, -1 / 6, 0, 1 / 120]),
        (lambda v: jnp.where(v == 0, 0.0, v * v), (0.0, 1.0), [0, 0, 0, 0, 0]),
        # Kinks: the expansion to the right of t = 0.
        (jnp.abs, (0.0, -2.0, 1.0), [0, 2, -1, 0, 0]),
        (jnp.abs, (0.0, 0.0, -3.0, 1.0), [0, 0, 3, -1, 0]),
        (lambda v: jnp.maximum(v, v * v), (0.0, 1.0), [0, 1, 0, 0, 0]),
        (lambda v: jnp.maximum(v, v * v), (0.0, -1.0), [0, 0, 1, 0, 0]),
        (lambda v: jnp.minimum(v, 0.0), (0.0, -1.0, 5.0), [0, -1, 5, 0, 0]),
        (lambda v: jnp.clip(v, 0.0, 1.0), (1.0, -2.0), [1, -2, 0, 0, 0]),
        (lambda v: jnp.max(jnp.stack([v, 2 * v, v * v])), (0.0, 1.0), [0, 2, 0, 0, 0]),
        (lambda v: jnp.min(jnp.stack([v, 2 * v])), (0.0, 1.0), [0, 1, 0, 0, 0]),
    ],
)  # fmt: skip
def test_series_at_edge_points(function: Any, series: Any, expected: Any) -> None:
    np.testing.assert_allclose(series_of(function, *series), expected, atol=1e-13)


def test_smooth_functions_made_of_kinks_are_exact_at_the_kink() -> None:
    softplus = series_of(lambda v: jnp.maximum(v, 0.0) + jnp.log1p(jnp.exp(-jnp.abs(v))), 0.0, -1.0)
    expected = [math.log(2.0), -0.5, 1 / 8, 0.0, -1 / 192]
    np.testing.assert_allclose(softplus, expected, atol=1e-15)
    np.testing.assert_allclose(series_of(jax.nn.softplus, 0.0, -1.0), expected, atol=1e-15)


def test_the_angle_is_right_in_all_quadrants() -> None:
    t = np.arctan2(0.5, -1.0)  # any branch: derivatives do not depend on it
    for quadrant in range(4):
        angle = t + quadrant * np.pi / 2
        point = [2.0 * np.sin(angle), 2.0 * np.cos(angle)]
        found = taylor_coefficients(
            lambda a, b: jnp.arctan2(a, b),
            [
                [jnp.asarray(point[0]), jnp.asarray(point[1])],
                [jnp.asarray(point[1]), jnp.asarray(-point[0])],
            ],
            3,
        )  # z + iz t: the angle grows as atan t
        np.testing.assert_allclose(found[1:], [1.0, 0.0, -1 / 3], atol=1e-14)


def test_single_precision_keeps_its_digits_at_high_order() -> None:
    found = directional_derivatives(jnp.exp, jnp.float32(0.0), jnp.float32(1.0), 10)
    assert found[10].dtype == jnp.float32
    np.testing.assert_allclose(found, np.ones(11), rtol=3e-7)


@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_tails_neither_overflow_nor_turn_nan(sign: float) -> None:
    functions = (jnp.tanh, jax.nn.sigmoid, jax.nn.softplus, jax.nn.silu, jax.lax.erf)
    for function in functions:
        assert np.all(np.isfinite(series_of(function, 800.0 * sign, 1.0)))


def test_an_operation_without_a_derivative_is_named() -> None:
    def outside(v: Any) -> Any:
        return jax.pure_callback(np.sin, jax.ShapeDtypeStruct((), v.dtype), v)

    with pytest.raises(UnsupportedPrimitive, match="pure_callback"):
        series_of(outside, 1.0, 1.0)
    assert series_of(lambda v: jnp.sin(v), 0.0, 1.0, order=1) == [0.0, 1.0]


def test_misuse_is_refused() -> None:
    with pytest.raises(ValueError, match="not negative"):
        series_of(jnp.sin, 0.0, order=-1)
    with pytest.raises(ValueError, match="order 0"):
        taylor_coefficients(jnp.sin, [[]], 2)
