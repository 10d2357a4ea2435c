"""Which formulas vanish, and what short ones cancel down to."""

from __future__ import annotations

import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from pdesl.symbolic.vanishing import is_zero, reduced, tidied

x, y, θ, M = sp.symbols("x y θ M", real=True)
r = sp.sqrt(x**2 + y**2)
f = sp.Function("f")(x)

ZEROS = [
    (x + y) ** 2 - x**2 - 2 * x * y - y**2,
    sp.sin(θ) ** 2 + sp.cos(θ) ** 2 - 1,
    sp.tan(θ) * sp.cot(θ) - 1,
    sp.tan(θ) - sp.sin(θ) / sp.cos(θ),
    r**2 - x**2 - y**2,
    r**3 / (x**2 + y**2) - r,
    sp.sqrt(M * r) - sp.sqrt(M) * sp.sqrt(r),
    sp.sqrt(1 - 2 * M / r) ** 2 + 2 * M / r - 1,
    (1 / (x - y) - 1 / (x + y)) * (x**2 - y**2) - 2 * y,
    f.diff(x) * (x + 1) - x * f.diff(x) - f.diff(x),
]
OTHERS = [
    x - y, sp.sin(θ) ** 2 - sp.cos(θ) ** 2, r - x - y, r + x, sp.sqrt(M) + 1, f - x,
    sp.sqrt(x * y + 1) + sp.sqrt(x) * sp.sqrt(y), x**61 - x, sp.exp(x) - 1, sp.Rational(1, 10**9),
    sp.cbrt(x) - x,
]  # fmt: skip


@pytest.mark.parametrize("formula", ZEROS, ids=str)
def test_what_vanishes_is_found(formula: sp.Expr) -> None:
    assert is_zero(formula)
    assert tidied(formula) == 0
    assert is_zero(formula * x + y * formula**2)


@pytest.mark.parametrize("formula", OTHERS, ids=str)
def test_what_does_not_vanish_is_not(formula: sp.Expr) -> None:
    assert not is_zero(formula)
    assert tidied(formula) != 0


def test_short_formulas_are_cancelled() -> None:
    lapse = 1 - 2 * M / x
    curvature = sp.diff(lapse, x, 2) / 2 + (lapse - 1) / x**2 + 4 * M / x**3
    assert sp.count_ops(reduced(curvature)) <= 2
    assert reduced((1 - sp.cos(θ) ** 2) / sp.sin(θ)) == sp.sin(θ)
    assert reduced((x**2 - y**2) / (r**2 - x**2 - 2 * y**2 + x * y)) == (x + y) / y
    large = sp.Add(*(1 / (x + k) for k in range(40)))
    assert reduced(large) == large


@settings(max_examples=30)
@given(st.lists(st.integers(-5, 5), min_size=6, max_size=6))
def test_a_reduced_formula_is_the_same_function(numbers: list[int]) -> None:
    a, b, c, d, e, k = numbers
    above = a * x**2 + b * sp.sin(θ) * sp.cos(θ) ** 2 + c * r**3
    below = 7 + d * y**2 + e * sp.cos(θ) + k * r
    assert is_zero(reduced(above / below) - above / below)
