"""Index notation: what it sums to, against operators and textbook forms, and what it refuses.

Two forms of an equation are equal when their difference in jets vanishes identically, which is
proved in a finite field (`is_zero`).
"""

from __future__ import annotations

from itertools import product

import pytest
import sympy

from pdesl.diagnostics import ProblemError
from pdesl.ir.normalise import normalise
from pdesl.ir.system import System
from pdesl.symbolic.problem import Problem
from pdesl.symbolic.vanishing import is_zero
from tests.strategies_symbolic import from_text

METRICS = {
    "polar, time apart": "ds² = -dt² + dx² + x² dy²",
    "static, not diagonal": "ds² = -(1 + x²) dt² + (2 + y²) dx² + 2 x y dx dy + (3 + x²) dy²",
    "expanding": "ds² = -dt² + (1 + t)² (dx² + x² dy²)",
    "shifted": "ds² = -dt² + 2 y dt dx + (2 + x²) dx² + (1 + t²) dy²",
}
STATIC = ["polar, time apart", "static, not diagonal"]


def text_of(equations: str, metric: str = "", fields: str = "u(t, x, y) : scalar") -> str:
    """A file with the equations of a test; conditions play no part in its rows."""
    block = f"metric:\n    {metric}\n\n" if metric else ""
    lines = "\n".join(f"    {line.strip()}" for line in equations.splitlines() if line.strip())
    declared = "\n".join(f"    {line.strip()}" for line in fields.splitlines() if line.strip())
    head, _, body = lines.partition("---\n")
    lets, lines = (f"let:\n{head.rstrip()}\n\n", body) if body else ("", lines)
    return (
        "parameters:\n    κ = 2\n\ndomain:\n    t ∈ [0, 1]\n    x, y ∈ [1, 2]\n\n"
        f"{block}fields:\n{declared}\n\n{lets}equations:\n{lines}\n"
    )


def system_of(equations: str, metric: str = "", fields: str = "u(t, x, y) : scalar") -> System:
    return normalise(from_text(text_of(equations, metric, fields)))


def problem_of(equations: str, metric: str = "", fields: str = "u(t, x, y) : scalar") -> Problem:
    return from_text(text_of(equations, metric, fields))


def assert_same(one: System, other: System) -> None:
    rows = zip(one.rows, other.rows, strict=True)
    for row, same in rows:
        assert is_zero(row.residual - same.residual), row.name


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS.keys())
@pytest.mark.parametrize(
    "form",
    [
        "∇_μ ∇^μ u = 0",
        "∇^{μ} ∇_{μ} u = 0",
        "g^{μν} ∇_μ ∇_ν u = 0",
        "g^{μν} ∂_μ ∂_ν u - g^{μν} Γ^σ_{μν} ∂_σ u = 0",
        "g^{μν} (∂_μ ∂_ν u - Γ^σ_{μν} ∂_σ u) = 0",
        "δ^ν_{μ} ∇_ν ∇^μ u = 0",
        "∂_μ (g^{μν} ∂_ν u) + Γ^{μ}_{μσ} g^{σν} ∂_ν u = 0",
        "g^{00} ∇_{0} ∇_t u + 2 g^{0i} ∇_t ∇_i u + g^{ij} ∇_i ∇_j u = 0",
    ],
)
def test_the_wave_operator_in_many_spellings(metric: str, form: str) -> None:
    assert_same(system_of(form, metric), system_of("□u = 0", metric))


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS.keys())
def test_the_metric_is_constant_and_derivatives_commute_to_the_curvature(metric: str) -> None:
    fields = "V^{μ}(t, x, y) : tensor"
    commuted = "∇_μ ∇_ν V^{ρ} - ∇_ν ∇_μ V^{ρ}"
    with pytest.raises(ProblemError) as caught:
        problem_of("∇_λ (2 δ^{μ}_{ν}) = 0", metric)
    assert caught.value.diagnostics[0].code == "E321"
    rows = normalise(problem_of(f"{commuted} - R^{{ρ}}_{{σμν}} V^{{σ}} = 0", metric, fields)).rows
    assert 0 < len(rows) <= 9  # antisymmetric in μν: three pairs, three components each
    assert all(is_zero(row.residual) for row in rows)
    rows = system_of("u ∇_λ g_{μν} = 0", metric).rows
    assert rows
    assert all(is_zero(row.residual) for row in rows)


@pytest.mark.parametrize("metric", list(METRICS.values())[1:], ids=list(METRICS)[1:])
def test_curvature_is_contracted_and_moved(metric: str) -> None:
    forms = {
        "R^{λ}_{μλν} ∂^μ ∂^ν u = 0": "R_{μν} ∂^μ ∂^ν u = 0",
        "G_{μν} ∂^μ ∂^ν u = 0": "R_{μν} ∂^μ ∂^ν u - R^{σ}_{σ} g_{μν} (∂^μ ∂^ν u)/2 = 0",
        "R_{αβμν} R^{αβμν} u = 0": "R^{α}_{β}^{μ}_{ν} R_{α}^{β}_{μ}^{ν} u = 0",
    }
    for one, other in forms.items():
        assert_same(system_of(one, metric), system_of(other, metric))


@pytest.mark.parametrize("metric", [METRICS[name] for name in STATIC], ids=STATIC)
def test_latin_indices_are_those_of_space(metric: str) -> None:
    assert_same(system_of("∂t u = κ ∇_i ∇^i u", metric), system_of("∂t u = κ ∇²u", metric))
    fields = "v(t, x, y) : vector\nu(t, x, y) : scalar"
    one = system_of("∇_i v^{i} = 0\nv^{i} ∂_i u = 0\n∂t v^{x} = 0", metric, fields)
    other = system_of("∇·v = 0\nv_x ∂x u + v_y ∂y u = 0\n∂t v_x = 0", metric, fields)
    assert_same(one, other)


def test_cartesian_coordinates_need_no_metric() -> None:
    fields = "v(t, x, y) : vector\np(t, x, y) : scalar"
    one = system_of(
        "∂t v_{i} + v_{j} ∂_j v_{i} = -∂_i p + κ ∂_j ∂_j v^{i}\n∂^i v_{i} = 0", "", fields
    )
    other = system_of("∂t v + (v·∇)v = -∇p + κ ∇²v\n∇·v = 0", "", fields)
    assert_same(one, other)
    plane = system_of("ε_{ij} ∂_i v_{j} = 0\n∇²v_{i} = ε_{ij} ∂_j p", "", fields)
    assert_same(plane, system_of("∇×v = 0\n∇²v = ∇×p", "", fields))


def test_definitions_and_symmetric_fields() -> None:
    metric = METRICS["static, not diagonal"]
    fields = "A_{μ}(t, x, y) : tensor"
    short = "F_{μν} = ∂_μ A_{ν} - ∂_ν A_{μ}\n---\n∇_μ F^{μν} = 0"
    long = "∇_μ ∇^μ A^{ν} - ∇_μ ∇^ν A^{μ} = 0"
    assert_same(system_of(short, metric, fields), system_of(long, metric, fields))
    closed = short.partition("---")[0] + "---\n∂_λ F_{μν} + ∂_μ F_{νλ} + ∂_ν F_{λμ} = 0"
    with pytest.raises(ProblemError) as caught:
        problem_of(closed, metric, fields)
    assert caught.value.diagnostics[0].code == "E321"  # dF = 0 identically
    fields = "h_{ij}(t, x, y) : tensor(symmetric)\nF_{μν}(t, x, y) : tensor(antisymmetric)"
    problem = problem_of(
        "∂t h_{ij} = g_{ij} h^{k}_{k}\n∂_λ F_{μν} + ∂_μ F_{νλ} + ∂_ν F_{λμ} = 0\n"
        "F_{tx} + F_{xt} + F_{yy} = h_{yx} - h_{xy} + h_{xx}", metric, fields,
    )  # fmt: skip
    assert [f.components for f in problem.fields] == [
        ("h_xx", "h_xy", "h_yy"), ("F_tx", "F_ty", "F_xy")
    ]  # fmt: skip
    assert [e.component for e in problem.equations] == [
        "i = x, j = x", "i = x, j = y", "i = y, j = y", "λ = t, μ = x, ν = y", ""
    ]  # fmt: skip


def test_only_repeated_components_are_left_out() -> None:
    fields = "A_{i}(t, x, y) : tensor"
    found = problem_of("∂_i A_{j} = δ_{ij}", fields=fields).equations
    assert len(found) == 4
    found = problem_of("∂_i A_{j} + ∂_j A_{i} = 2 δ_{ij}", fields=fields).equations
    assert [e.component for e in found] == ["i = x, j = x", "i = x, j = y", "i = y, j = y"]
    found = problem_of("∂_i A_{j} - ∂_j A_{i} = 0", fields=fields).equations
    assert [e.component for e in found] == ["i = x, j = y"]


CURVED = METRICS["static, not diagonal"]
WRONG = {
    "E351 a": ("g^{μ} ∂_μ u = 0", CURVED),
    "E351 b": ("Γ_{μν}^{σ} ∂^μ ∂^ν ∂_σ u = 0", CURVED),
    "E351 c": ("ε_{ijk} ∂_i ∂_j ∂_k u = 0", ""),
    "E352 a": ("(∂^μ u) (∂_μ u) ∂_μ u = 0", CURVED),
    "E352 b": ("(g^{μν} ∂_μ ∂_ν u) (g^{μν} ∂_μ ∂_ν u) = 0", CURVED),
    "E353 a": ("g^{μν} ∂^μ ∂_ν u = 0", CURVED),
    "E353 b": ("δ_{μν} ∂^μ ∂^ν u = 0", CURVED),
    "E354 a": ("∂_μ u = ∂_ν u", CURVED),
    "E354 b": ("∂_μ u = ∂^μ u", CURVED),
    "E354 c": ("exp(∂_μ u) = 1", CURVED),
    "E354 d": ("u ∂_μ u = 1", CURVED),
    "E355 a": ("∂^κ ∂_κ u = 0", CURVED),
    "E355 b": ("∂_μ ∂^foo u = 0", CURVED),
    "E355 c": ("g^{33} u = 0", CURVED),
    "E356 a": ("R^{μ}_{μ} u = 0", ""),
    "E356 b": ("∂^μ ∂_μ u = 0", ""),
    "E604 a": ("u_{μ} u_{ν} g^{μν} = 0", CURVED),
    "E604 b": ("q^{μ} ∂_μ u = 0", CURVED),
    "E602": ("□(∂_μ u) = 0", CURVED),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_refused(name: str) -> None:
    equation, metric = WRONG[name]
    with pytest.raises(ProblemError) as caught:
        problem_of(equation, metric)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == name[:4], diagnostic.message
    assert diagnostic.span is not None
    assert diagnostic.span.text in equation
    assert diagnostic.helps


@pytest.mark.parametrize("metric", [METRICS["expanding"], METRICS["shifted"]])
def test_a_tensor_of_space_needs_a_space(metric: str) -> None:
    with pytest.raises(ProblemError) as caught:
        problem_of("∂t v^{i} = ∇_j ∇^j v^{i}", metric, "v(t, x, y) : vector")
    assert {d.code for d in caught.value.diagnostics} == {"E356"}
    with pytest.raises(ProblemError) as caught:
        problem_of("∇_μ v^{i} = 0", METRICS["polar, time apart"], "v(t, x, y) : vector")
    assert {d.code for d in caught.value.diagnostics} == {"E356"}


@pytest.mark.parametrize(
    "equation",
    [
        "T_{αβγδ} T_{εζηθ} T_{λμνξ} = 0",
        "T_{αβγδ} T^{αβ}_{εζ} T^{γδε}_{η} T^{ζη}_{λμ} T^{λμ}_{νξ} = 0",
        "∇_ε ∇_ζ ∇_η T_{αβγδ} = 0",
    ],
)
def test_the_work_is_bounded(equation: str) -> None:
    with pytest.raises(ProblemError) as caught:
        problem_of(equation, METRICS["shifted"], "T_{αβγδ}(t, x, y) : tensor")
    assert caught.value.diagnostics[0].code == "E306"


@pytest.mark.parametrize(
    ("equation", "code"),
    [
        ("∇^μ ∇_μ u = 0", ""), ("R_{μνρσ} R^{μνρσ} = u", "E306"), ("g^{μν} R_{μν} = u", "E306"),
        ("∇^μ ∇^ν ∇_μ ∇_ν u = 0", "E306"), ("T_{αβγ} = 0", "E604"),
    ],
)  # fmt: skip
def test_many_coordinates(equation: str, code: str) -> None:
    names = ", ".join(f"x{i}" for i in range(1, 13))
    matrix = ", ".join(
        "[" + ", ".join(f"1 + x{i}²" if i == j else "0" for j in range(1, 13)) + "]"
        for i in range(1, 13)
    )
    text = (
        f"domain:\n    {names} ∈ [1, 2]\n\nmetric:\n    g = [{matrix}]\n\n"
        f"fields:\n    u({names}) : scalar\n\nequations:\n    {equation}\n"
    )
    if not code:
        assert len(from_text(text).equations) == 1
        return
    with pytest.raises(ProblemError) as caught:
        from_text(text)
    assert [d.code for d in caught.value.diagnostics] == [code]


def test_components_by_name_and_number() -> None:
    metric = METRICS["shifted"]
    one = system_of("g_{tx} ∂_t u + g^{xx} ∂_x u + Γ^{x}_{tt} u + g_{12} u = 0", metric)
    two = system_of("g_{01} ∂_t u + g^{11} ∂_x u + Γ^{1}_{00} u + g_{xy} u = 0", metric)
    assert_same(one, two)
    (row,) = system_of("g_{tx} ∂_t u + g_{yy} ∂_y u + g_{tt} u = 0", metric).rows
    t, _, y = sympy.symbols("t x y", real=True)
    jets = [sympy.Symbol(f"u{{{o}}}", real=True) for o in ("1,0,0", "0,0,1", "0,0,0")]
    found = [sympy.diff(row.residual, jet) for jet in jets]
    assert all(is_zero(a - b) for a, b in zip(found, (y, 1 + t**2, -1), strict=True))


def test_every_value_of_the_letters_is_one_row() -> None:
    system = system_of("∂_μ A_{ν} = 0", CURVED, "A_{ν}(t, x, y) : tensor")
    words = [f"equation {i} (μ = {a}, ν = {b})" for i, (a, b) in
             enumerate(product("txy", repeat=2), 1)]  # fmt: skip
    assert [row.name for row in system.rows] == words
