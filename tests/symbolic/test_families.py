"""Families of coordinates: a dimension that is a parameter, products over components."""

from __future__ import annotations

import pytest
import sympy

from pdesl.diagnostics import ProblemError, Source
from pdesl.symbolic.elaborate import elaborate_source

TEXT = """
parameters:
    d = {dimension}

domain:
    x ∈ [-1, 1]^d
    t ∈ [0, 1]

fields:
    u(t, x) : scalar

let:
    w(s) = 1 - s²

equations:
    ∂t u = ∇²u

boundary:
    u = 0    on ∂Ω

initial:
    u = {data}
"""


def problem(dimension: object = 3, data: str = "prod(w(x))", overrides: tuple[str, ...] = ()):
    text = TEXT.format(dimension=dimension, data=data)
    return elaborate_source(Source("family.pde", text), list(overrides))


@pytest.mark.parametrize(("overrides", "dimension"), [((), 3), (("parameters.d=5",), 5)])
def test_a_dimension_is_a_parameter(overrides: tuple[str, ...], dimension: int):
    found = problem(overrides=overrides)
    names = [c.name for c in found.space]
    assert names == [f"x{i}" for i in range(1, dimension + 1)]
    symbols = [c.symbol for c in found.space]
    expected = sympy.prod([1 - s**2 for s in symbols])
    (initial,) = found.initial
    assert sympy.expand(initial.rhs - expected) == 0


def test_functions_act_on_every_component_and_sums_and_products_reduce():
    (initial,) = problem(data="sum(w(x)) + prod(x)").initial
    x = [c.symbol for c in problem().space]
    assert sympy.expand(initial.rhs - sum(1 - s**2 for s in x) - x[0] * x[1] * x[2]) == 0


@pytest.mark.parametrize("dimension", ["0", "2.5", "100"])
def test_a_dimension_is_a_whole_number(dimension: str):
    with pytest.raises(ProblemError) as caught:
        problem(dimension)
    assert "E420" in {d.code for d in caught.value.diagnostics}


def test_a_product_is_of_a_vector():
    with pytest.raises(ProblemError) as caught:
        problem(data="prod(d)")
    assert "E301" in {d.code for d in caught.value.diagnostics}
