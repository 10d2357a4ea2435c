"""Operators on vectors with a metric: against other charts, index notation, and their laws.

Components are contravariant. Polar coordinates hold the plane, cylindrical and spherical ones
space, so that every operator has a Cartesian twin; equality is proved in a finite field.
"""

from __future__ import annotations

from typing import Any

import pytest
import sympy

from pdesl.diagnostics import ProblemError
from pdesl.ir.normalise import normalise
from pdesl.symbolic.operators import Frame, erase
from pdesl.symbolic.vanishing import is_zero
from tests.strategies_symbolic import from_text

PLANE = "ds² = dr² + r² dθ²"
BALL = "ds² = dr² + r² dθ² + r² sin²(θ) dφ²"
SKEW = "ds² = (2 + r²) dr² + 2 r dr dθ + (3 + θ²) dθ²"
SKEW_SPACE = "ds² = (2 + r²) dr² + 2 r dr dθ + (3 + θ²) dθ² + (1 + r² φ²) dφ²"


def rows_of(equations: str, metric: str, names: str = "r, θ", extra: str = "") -> list[Any]:
    fields = f"v({names}) : vector\n    w({names}) : vector\n    u({names}) : scalar"
    lines = "\n    ".join(equations.splitlines())
    text = (
        f"domain:\n    {names} ∈ [1, 2]\n\nmetric:\n    {metric}\n\n"
        f"fields:\n    {fields}\n\n{extra}equations:\n    {lines}\n"
    )
    return [row.residual for row in normalise(from_text(text)).rows]


def same(one: str, other: str, metric: str, names: str = "r, θ") -> None:
    left, right = rows_of(one, metric, names), rows_of(other, metric, names)
    assert len(left) == len(right)
    assert all(is_zero(a - b) for a, b in zip(left, right, strict=True))


CASES = [
    ("∇·v = u", "∇_i v^{i} = u"),
    ("∇²v = w", "∇_j ∇^j v^{i} = w^{i}"),
    ("(v·∇)w = v", "v^{j} ∇_j w^{i} = v^{i}"),
    ("(v·∇)u = 0", "v^{j} ∂_j u = 0"),
    ("v·∇u = 0", "v^{j} ∂_j u = 0"),
    ("∇·(∇v) = w", "∇_j ∇^j v^{i} = w^{i}"),
    ("∇·(transpose(∇v)) = w", "∇_j ∇^i v^{j} = w^{i}"),
    ("∇·(∇v + transpose(∇v)) = w", "∇_j (∇^j v^{i} + ∇^i v^{j}) = w^{i}"),
    ("v·w = norm(v)", "v^{i} w_{i} = sqrt(v^{i} v_{i})"),
    ("trace(∇v) = u", "∇_i v^{i} = u"),
    ("(∇v)·w = v", "w_{j} ∇^j v^{i} = v^{i}"),
    ("w·(∇v) = v", "w_{j} ∇^i v^{j} = v^{i}"),
    ("outer(v, w)·v = w", "v^{i} w^{j} v_{j} = w^{i}"),
    ("identity·v = 2 w", "v^{i} = 2 w^{i}"),
    ("norm(∇v)^2 = u", "(∇^j v^{i}) ∇_j v_{i} = u"),
    ("∇(v·w) = v", "∇^i (v_{j} w^{j}) = v^{i}"),
]


@pytest.mark.parametrize("metric", [PLANE, SKEW], ids=["polar", "skew"])
@pytest.mark.parametrize(("operator", "indices"), CASES, ids=[c[0] for c in CASES])
def test_operators_are_what_indices_say(operator: str, indices: str, metric: str) -> None:
    if "∇_j (∇^j" in indices:
        indices = "∇_j ∇^j v^{i} + ∇_j ∇^i v^{j} = w^{i}"
    same(operator, indices, metric)


@pytest.mark.parametrize("metric", [PLANE, SKEW], ids=["polar", "skew"])
def test_curls_in_the_plane(metric: str) -> None:
    same("∇×v = u", "ε^{ij} ∂_i v_{j} = u", metric)
    same("∇×u = v", "ε^{ij} ∂_j u = v^{i}", metric)
    assert all(is_zero(row) for row in rows_of("∇×(∇u) = 0", metric))
    assert all(is_zero(row) for row in rows_of("∇·(∇×u) = 0", metric))


@pytest.mark.parametrize("metric", [BALL, SKEW_SPACE], ids=["spherical", "skew"])
def test_curls_in_space(metric: str) -> None:
    names = "r, θ, φ"
    same("∇×v = w", "ε^{ijk} ∂_j v_{k} = w^{i}", metric, names)
    same("v×w = v", "ε^{i}_{jk} v^{j} w^{k} = v^{i}", metric, names)
    assert all(is_zero(row) for row in rows_of("∇·(∇×v) = 0", metric, names))
    assert all(is_zero(row) for row in rows_of("∇×(∇u) = 0", metric, names))
    same("v·(v×w) = u", "0 u = u", metric, names)


def test_the_curl_of_the_curl_in_flat_space() -> None:
    one = rows_of("∇×(∇×v) = 0", BALL, "r, θ, φ")
    other = rows_of("∇(∇·v) - ∇²v = 0", BALL, "r, θ, φ")
    assert all(is_zero(a - b) for a, b in zip(one, other, strict=True))


def _cartesian(formula: str, x: Any, y: Any) -> dict[str, Any]:
    """Values of operators on a field of vectors in the plane, by Cartesian components."""
    a, b = x**2 * y + 3 * y**3, x * y**2 - 2 * x**3
    d = sympy.diff
    e = x**3 - x * y**2
    return (
        {
            "∇·v": [d(a, x) + d(b, y)],
            "∇×v": [d(b, x) - d(a, y)],
            "∇²v": [d(a, x, 2) + d(a, y, 2), d(b, x, 2) + d(b, y, 2)],
            "(v·∇)v": [a * d(a, x) + b * d(a, y), a * d(b, x) + b * d(b, y)],
            "∇u": [d(e, x), d(e, y)],
            "v·v": [a**2 + b**2],
            "∇(∇·v)": [d(d(a, x) + d(b, y), x), d(d(a, x) + d(b, y), y)],
        }[formula],
        (a, b),
        e,
    )  # type: ignore[return-value]


@pytest.mark.parametrize("formula", ["∇·v", "∇×v", "∇²v", "(v·∇)v", "∇u", "v·v", "∇(∇·v)"])
def test_polar_coordinates_against_cartesian_ones(formula: str) -> None:
    x, y, r, θ = sympy.symbols("x y r θ", real=True)
    known: Any = _cartesian(formula, x, y)
    expected, (a, b), e = known
    there = {x: r * sympy.cos(θ), y: r * sympy.sin(θ)}

    def contravariant(one: Any, other: Any) -> list[Any]:
        one, other = one.xreplace(there), other.xreplace(there)
        cosine, sine = sympy.cos(θ), sympy.sin(θ)
        return [cosine * one + sine * other, (cosine * other - sine * one) / r]

    name = "w" if len(expected) == 2 else "u"
    text = (
        f"domain:\n    r, θ ∈ [1, 2]\n\nmetric:\n    {PLANE}\n\nfields:\n"
        "    v(r, θ) : vector\n    w(r, θ) : vector\n    u(r, θ) : scalar\n\n"
        f"equations:\n    {formula} = 2 {name}\n"
    )
    problem = from_text(text)
    frame: Frame = normalise(problem).frame
    radial, angular = contravariant(a, b)
    values: dict[str, Any] = {"v_r": radial, "v_θ": angular, "u": e.xreplace(there)}
    found = []
    for equation in problem.equations:
        erased = erase(equation.lhs, frame)
        jets = {}
        for jet in frame.space.jets(erased):
            slope = values[jet.field]
            for symbol, order in zip((r, θ), jet.orders, strict=True):
                slope = sympy.diff(slope, symbol, order) if order else slope
            jets[frame.space.symbol(jet)] = slope
        found.append(erased.xreplace(jets))
    wanted = contravariant(*expected) if len(expected) == 2 else [expected[0].xreplace(there)]
    assert all(is_zero(f - w) for f, w in zip(found, wanted, strict=True))


def test_the_normal_has_unit_length() -> None:
    text = (
        "domain:\n    Ω = box(lower=(1, 1), upper=(2, 2))\n    r, θ ∈ Ω\n\n"
        f"metric:\n    {SKEW}\n\nfields:\n    v(r, θ) : vector\n    u(r, θ) : scalar\n\n"
        "equations:\n    ∇²v = 0\n    ∇²u = 0\n\nboundary:\n"
        "    n·∇u + u n·n = 0    on ∂Ω\n    (∇v)·n = 0    on ∂Ω\n"
    )
    one = normalise(from_text(text)).boundary
    other = normalise(
        from_text(text.replace("n·∇u + u n·n", "∂n u + n^{i} n_{i} u").replace("(∇v)·n", "∂n v"))
    ).boundary
    plain = normalise(from_text(text.replace("u n·n", "u"))).boundary
    for rows in (other, plain):
        assert all(is_zero(a.residual - b.residual) for a, b in zip(one, rows, strict=True))


@pytest.mark.parametrize(
    ("equation", "code"),
    [("□v = 0", "E602"), ("∇²(∇v) = 0", "E602"), ("∇v = u", "E301")],
)
def test_what_has_no_meaning(equation: str, code: str) -> None:
    with pytest.raises(ProblemError) as caught:
        rows_of(equation, PLANE)
    assert caught.value.diagnostics[0].code == code
