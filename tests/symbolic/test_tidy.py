"""Short forms and shared parts: equal to what they came from, and never longer."""

from __future__ import annotations

import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from pdesl.symbolic.functions import make_function, numpy_namespace, vanishes
from pdesl.symbolic.sharing import share
from pdesl.symbolic.tidy import operations, tidy
from tests.strategies_symbolic import expressions

x, y, z, M, ell = sympy.symbols("x y z M l", real=True)
r = sympy.sqrt(y**2 + z**2 + (x + 2) ** 2)
w = sympy.LambertW(sympy.exp(x / (2 * M) - 1))
areal = 2 * M * (1 + w)
sine, cosine = sympy.sin(y), sympy.cos(y)


@pytest.mark.parametrize(
    ("long", "short"),
    [
        (6 * y**2 * (x + 2) / r**5 + 6 * z**2 * (x + 2) / r**5
         + 6 * (x + 2) ** 3 / r**5 - 8 * (x + 2) / r**3, -2 * (x + 2) / r**3),
        (1 - 2 * M / areal, w / (1 + w)),
        (1 / (1 - 2 * M / x) - 2 * M / (x - 2 * M), sympy.S.One),
        (x**2 * cosine**2 + x**2 * sine**2 + 3 * x * cosine, x * (x + 3 * cosine)),
        ((x - 2 * M) * (1 / x + 2 * M / (x * (x - 2 * M))), sympy.S.One),
        (1 - (y**2 + z**2 + (x + 2) ** 2) / r**2 + x, x),
    ],
)  # fmt: skip
def test_what_cancels_is_found(long: sympy.Expr, short: sympy.Expr) -> None:
    (found,) = tidy(long)
    assert operations(found) <= operations(short)
    assert vanishes(found - short)


def test_a_difference_that_loses_all_digits_is_rewritten() -> None:
    """1 − 2M/r in the tortoise chart is 1e-22 at x = −100, M = 1, where its own form gives 0."""
    (found,) = tidy(1 - 2 * M / areal)
    (value,) = make_function([found], [x, M], numpy_namespace())(-100.0, 1.0)
    exact = sympy.N(sympy.LambertW(sympy.exp(-51)), 30)
    assert abs(value / float(exact) - 1) < 1e-14


def test_common_factors_stay_factors() -> None:
    lapse = 1 - 2 * M / r
    found = tidy(lapse * (1 - 2 * M * y**2 / r**3), lapse * y * z / r**3, lapse * (x / r + y / r))
    for expression in found:
        assert lapse in expression.args or -lapse in expression.args, expression


def test_what_is_too_large_or_not_rational_is_left_alone() -> None:
    large = sympy.Mul(*(sympy.Add(*(sympy.Symbol(f"a{i}{j}") for j in range(6))) for i in range(9)))
    floating = x * 0.5 + y
    assert tidy(large, floating) == (large, floating)


@settings(max_examples=40)
@given(st.lists(expressions([x, y, z, r, sine, cosine, w], 5), min_size=1, max_size=3))
def test_short_forms_are_equal_and_not_longer(found: list[sympy.Expr]) -> None:
    short = tidy(*found)
    assert operations(sympy.Tuple(*short)) <= operations(sympy.Tuple(*found))
    for one, other in zip(found, short, strict=True):
        assert one == other or vanishes(one - other)


@settings(max_examples=60)
@given(st.lists(expressions([x, y, z, r, 1 / r, 1 / r**3, M / x**2, 1 / x], 6), min_size=1,
                max_size=4))  # fmt: skip
def test_shared_parts_give_the_same_values(found: list[sympy.Expr]) -> None:
    definitions, results = share(found)
    known = {x, y, z, M}
    for symbol, value in definitions:  # each in what comes before it
        assert value.free_symbols <= known
        known.add(symbol)
    point = np.random.default_rng(3).uniform(0.4, 0.9, (4, 5))
    plain = make_function(found, [x, y, z, M], numpy_namespace())(*point)
    shared = make_function(results, [x, y, z, M], numpy_namespace(), definitions)(*point)
    for one, other in zip(plain, shared, strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-9, atol=1e-9)


def test_one_division_serves_all_powers() -> None:
    definitions, (result,) = share([x / r**3 + y / r + z / r**5])
    negative = [
        p for e in (result, *(v for _, v in definitions)) for p in e.atoms(sympy.Pow)
        if p.exp.is_negative
    ]  # fmt: skip
    assert len(negative) == 1


def test_factors_that_look_different_are_cancelled() -> None:
    """(M/(2 x) − 1)²/(M − 2 x) is 0/0 where M = 2 x, and (M − 2 x)/(4 x²) is not."""
    (found,) = tidy((M / (2 * x) - 1) ** 2 / (M - 2 * x))
    (value,) = make_function([found], [x, M], numpy_namespace())(0.25, 0.5)
    assert value == 0


def test_a_sum_and_its_negative_are_one_factor() -> None:
    (found,) = tidy((1 - 2 * M / x) * (2 * M / x - 1))
    assert operations(found) < operations((1 - 2 * M / x) * (2 * M / x - 1))
