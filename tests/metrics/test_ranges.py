"""Interval arithmetic: every value lies in the bounds, and what is refined is equal."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from pdesl.symbolic.functions import constant_value
from pdesl.symbolic.metric import bounds, refine, sign_of

r, θ, φ = sympy.symbols("r θ φ", real=True)
RANGES = {r: (0.5, 3.0), θ: (0.0, math.pi), φ: (-1.0, 2.0)}

leaves = st.sampled_from([r, θ, φ, sympy.Integer(2), sympy.Rational(-3, 4), sympy.pi])
functions = st.sampled_from(
    [sympy.sin, sympy.cos, sympy.exp, sympy.tanh, sympy.cosh, sympy.Abs, sympy.sqrt, sympy.atan,
     sympy.asinh, lambda e: e**2, lambda e: e**3, lambda e: 1 / e, lambda e: sympy.sqrt(e**2)]
)  # fmt: skip
formulas = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(lambda a, b: a + b, inner, inner), st.builds(lambda a, b: a * b, inner, inner),
        st.builds(lambda f, e: f(e), functions, inner),
    ),
    max_leaves=7,
)  # fmt: skip


def _values(expression: sympy.Expr, count: int) -> list[float]:
    generator = np.random.default_rng(1)
    found = []
    for _ in range(count):
        point = {s: float(generator.uniform(*ends)) for s, ends in RANGES.items()}
        value = constant_value(expression, point)
        if value is not None:
            found.append(value)
    return found


@settings(max_examples=80)
@given(formulas)
def test_bounds_hold_every_value(expression: sympy.Expr) -> None:
    low, high = bounds(expression, RANGES)
    for value in _values(expression, 12):
        slack = 1e-9 * (1 + abs(value))
        assert low - slack <= value <= high + slack


@settings(max_examples=60)
@given(formulas)
def test_what_is_refined_is_equal(expression: sympy.Expr) -> None:
    refined = refine(expression, RANGES)
    for a, b in zip(_values(expression, 6), _values(refined, 6), strict=True):
        assert a == pytest.approx(b, rel=1e-9, abs=1e-12)


def test_signs_of_a_chart() -> None:
    cases: list[tuple[Any, int]] = [
        (sympy.sin(θ), 1), (r, 1), (-r * sympy.sin(θ), -1), (sympy.cos(θ), 0), (φ, 0),
        (1 - 2 / r, 0), (r**2 + sympy.cos(θ) ** 2, 1), (sympy.sin(θ) * sympy.cos(φ), 0),
        (sympy.exp(φ) + 1, 1), (-1 / r, -1), (sympy.Symbol("free", real=True), 0),
        (sympy.sin(θ / 2), 1), (sympy.cos(θ / 2), 1), (sympy.log(r), 0),
    ]  # fmt: skip
    for expression, sign in cases:
        assert sign_of(expression, RANGES) == sign, expression


def test_the_root_of_a_square_needs_no_absolute_value() -> None:
    volume = sympy.sqrt(r**4 * sympy.sin(θ) ** 2)
    assert volume.has(sympy.Abs)
    assert refine(volume, RANGES) == r**2 * sympy.sin(θ)
    slope: Any = refine(sympy.diff(sympy.Abs(sympy.sin(θ)), θ), RANGES)
    assert not slope.has(sympy.sign, sympy.Abs)
    assert refine(sympy.Abs(φ), RANGES) == sympy.Abs(φ)
