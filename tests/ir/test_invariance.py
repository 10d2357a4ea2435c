"""Solutions that are free by constants: found exactly where every row is unchanged by them."""

from __future__ import annotations

import pytest
import sympy

from pdesl.diagnostics import ProblemError, Severity, Source
from pdesl.ir.facts import verify
from pdesl.ir.invariance import free_constants
from pdesl.run import pipeline
from pdesl.symbolic.elaborate import elaborate_source

ONE = """
domain:
    {domain}

parameters:
    k = {k}

fields:
    u(x, y) : scalar

equations:
    {equation} = x

boundary:
    {boundary}
"""

TWO = """
domain:
    x, y ∈ [0, 1]

fields:
    a(x, y), b(x, y) : scalar

equations:
    {first} = x
    {second} = y

boundary:
    ∂n a = 0    on ∂Ω
    {boundary}    on ∂Ω
"""


def found(text: str) -> list[dict[str, sympy.Rational]]:
    system = pipeline.compile(Source("free.pde", text))
    constants = free_constants(system, system.problem.parameter_values())
    warned = [d for d in verify(system) if d.code == "W940"]
    assert len(warned) == len(constants)
    for diagnostic in warned:
        assert diagnostic.severity is Severity.WARNING
        assert diagnostic.helps[0].startswith("fix it by a line under `boundary:`, `∫(")
    return constants


def one(equation: str, boundary: str = "∂n u = 0    on ∂Ω", k: float = 1.0) -> bool:
    text = ONE.format(domain="x, y ∈ [0, 1]", equation=equation, boundary=boundary, k=k)
    return found(text) == [{"u": 1}]


@pytest.mark.parametrize(
    ("line", "codes"),
    [
        ("∫(u) = 0", []),
        ("mean(u) = k", []),
        ("2 ∫(x² u) = 3 + ∫(y)", []),
        ("∫((x - 1/2) u) = 0", ["E432"]),  # a constant has no such moment
        ("∫(u) = 0\n    mean(u) = 1", ["E432"]),
    ],
)
def test_an_integral_fixes_a_constant(line: str, codes: list[str]):
    boundary = f"∂n u = 0    on ∂Ω\n    {line}"
    text = ONE.format(domain="x, y ∈ [0, 1]", equation="∇²u", boundary=boundary, k=2)
    system = pipeline.compile(Source("free.pde", text))
    assert [d.code for d in verify(system)] == codes
    again = elaborate_source(Source("again.pde", system.problem.to_pde()))
    assert again == system.problem
    assert len(again.integrals) == len(system.integrals) >= 1
    assert again.hash == system.problem.hash


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("∫(u²) = 0", "E431"),
        ("∫(∂x u) = 0", "E431"),
        ("∫(u) = x", "E431"),
        ("∫(u) + u = 0", "E431"),
        ("∫(u)² = 1", "E431"),
        ("∫(u) = mean(u)", "E431"),
        ("∫(x) = 1", "E431"),
    ],
)
def test_an_integral_that_can_fix_none(line: str, code: str):
    boundary = f"∂n u = 0    on ∂Ω\n    {line}"
    text = ONE.format(domain="x, y ∈ [0, 1]", equation="∇²u", boundary=boundary, k=2)
    with pytest.raises(ProblemError) as caught:
        pipeline.compile(Source("free.pde", text))
    assert [d.code for d in caught.value.diagnostics] == [code]
    assert caught.value.diagnostics[0].span is not None


@pytest.mark.parametrize(
    "equation",
    [
        "∇²u",
        "∇²u + ∇u·∇u",
        "∇·(exp(x) ∇u) + (∂x u) ∂y u",
        "∇⁴u - ∇²u",
        "∇²u + exp(∂x u)",
        "∇²u + (u + 1)² - u² - 2u",  # cancels
        "∇²u + (k - 1) u",  # a coefficient that is zero for this value
    ],
)
def test_derivatives_alone_leave_a_constant_free(equation: str):
    boundary = "∂n u = y    on ∂Ω"
    if "⁴" in equation:
        boundary += "\n    ∂n ∂n u = 0    on ∂Ω"
    assert one(equation, boundary)


@pytest.mark.parametrize(
    ("equation", "boundary"),
    [
        ("∇²u - u", "∂n u = 0    on ∂Ω"),
        ("∇²u + x u", "∂n u = 0    on ∂Ω"),
        ("∇²u + sin(u)", "∂n u = 0    on ∂Ω"),
        ("∇·(exp(u) ∇u)", "∂n u = 0    on ∂Ω"),
        ("∇²u", "u = 0    on ∂Ω"),
        ("∇²u", "∂n u + u = 0    on ∂Ω"),
        ("∇²u", "u = 0    on x = 0\n    ∂n u = 0    on x > 0"),
        ("∇²u", "∂n u + u⁴ = 0    on ∂Ω"),
    ],
)
def test_a_value_anywhere_fixes_it(equation: str, boundary: str):
    assert not one(equation, boundary)
    assert (
        found(ONE.format(domain="x, y ∈ [0, 1]", equation=equation, boundary=boundary, k=2)) == []
    )


def test_the_value_of_a_parameter_decides():
    assert one("∇²u + (k - 1) u", k=1)
    assert not one("∇²u + (k - 1) u", k=1.5)


def test_periodic_directions_have_no_conditions():
    text = ONE.format(domain="x, y ∈ periodic(0, 1)", equation="∇²u", boundary="", k=1)
    text = text.replace("boundary:", "").rstrip() + "\n"
    assert found(text) == [{"u": 1}]
    assert found(text.replace("∇²u", "∇²u - u")) == []


def test_constants_of_several_fields():
    def two(first: str, second: str, boundary: str = "∂n b = 0") -> list[dict[str, sympy.Rational]]:
        return found(TWO.format(first=first, second=second, boundary=boundary))

    assert two("∇²a", "∇²b") == [{"a": 1}, {"b": 1}]
    assert two("∇²a - b", "∇²b") == [{"a": 1}]
    assert two("∇²a + a - b", "∇²b + (b - a) exp(x)") == [{"a": 1, "b": 1}]
    assert two("∇²a + 2 a + 3 b", "∇²b + sin(2 a + 3 b)") == [{"a": 1, "b": sympy.Rational(-2, 3)}]
    assert two("∇²a + a - b", "∇²b + (b - a) exp(x)", "b = 0") == []
    assert two("∇²a + a - b", "∇²b + b + a") == []


def test_time_fixes_values_by_initial_data():
    text = ONE.format(domain="x, y ∈ [0, 1]", equation="∂t u - ∇²u", boundary="∂n u = 0 on ∂Ω", k=1)
    text = text.replace("x, y ∈ [0, 1]", "x, y ∈ [0, 1]\n    t ∈ [0, 1]").replace(
        "(x, y)", "(t, x, y)"
    )
    assert found(text + "\ninitial:\n    u = 0\n") == []
