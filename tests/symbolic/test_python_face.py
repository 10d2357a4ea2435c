"""The Python face: every block, vectors as a whole, and errors in Python's words."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sympy as sp

import pdesl
from pdesl.diagnostics import ProblemError
from pdesl.ir.normalise import normalise
from pdesl.symbolic.vanishing import is_zero
from pdesl.tensors import indices, nabla, partial, tensor
from tests.strategies_symbolic import concrete, from_text, number, row_value

x, y, t = sp.symbols("x y t")
u = sp.Function("u")(t, x, y)
v = sp.Function("v")(t, x, y)
p = sp.Function("p")(t, x, y)


def _heat(**blocks: Any) -> pdesl.Problem:
    given: dict[str, Any] = {
        "domain": {(x, y): pdesl.disk(radius=1), t: (0, 1)},
        "fields": {u: "scalar"},
        "equations": [sp.Eq(u.diff(t), pdesl.lap(u))],
        "boundary": [pdesl.on("∂Ω", sp.Eq(u, 0))],
        "initial": [sp.Eq(u, 0)],
    }
    return pdesl.Problem(**{**given, **blocks})


def test_a_comparison_is_no_equation() -> None:
    with pytest.raises(TypeError, match=r"sympy\.Eq\(left, right\)"):
        _heat(equations=[u.diff(t) == pdesl.lap(u)])
    with pytest.raises(TypeError, match=r"sympy\.Eq"):
        _heat(initial=[u])
    with pytest.raises(TypeError, match="says where it holds"):
        _heat(boundary=[sp.Eq(u, 0)])


@pytest.mark.parametrize(
    "blocks",
    [
        {"fields": {sp.Symbol("u"): "scalar"}},
        {"equations": [sp.Eq(u.diff(t), sp.Symbol("k'") * u)]},
        {"equations": [sp.Eq(u.diff(t), sp.Symbol("a b") * u)]},
        {"equations": [sp.Eq(u.diff(t), sp.Symbol("u{0,0,0}") * u)]},
        {"equations": [sp.Eq(u.diff(t), sp.Piecewise((u, x > 0), (0, True)))]},
        {"equations": [sp.Eq(u.diff(t), sp.oo * u)]},
        {"equations": [sp.Eq(u.diff(t), sp.I * u)]},
        {"equations": [sp.Eq(u.diff(t), sp.Derivative(u**2, u))]},
        {"parameters": {"a": float("nan")}},
        {"parameters": {"a": object()}},
        {"parameters": {"2a": 1}},
        {"boundary": [pdesl.on(3, sp.Eq(u, 0))]},
    ],
)
def test_what_no_file_can_state_is_a_type_error(blocks: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        _heat(**blocks)


@pytest.mark.parametrize(
    ("blocks", "code"),
    [
        ({"equations": [sp.Eq(u.diff(t), sp.Function("u")(t, 1 - x, y))]}, "E603"),
        ({"equations": [sp.Eq(u.diff(t), sp.Function("g")(x) * u)]}, "E202"),
        ({"equations": [sp.Eq(u.diff(t), sp.Symbol("kappa") * u)]}, "E201"),
        ({"equations": [sp.Eq(u.diff(t), pdesl.grad(u))]}, "E301"),
        ({"fields": {u: "tensor"}}, "E318"),
    ],
)
def test_a_wrong_problem_gives_the_diagnostics_of_its_text(
    blocks: dict[str, Any], code: str
) -> None:
    with pytest.raises(ProblemError) as caught:
        _heat(**blocks)
    (first, *_) = caught.value.diagnostics
    assert first.code == code
    assert first.span is not None


def test_vectors_stand_whole() -> None:
    problem = pdesl.Problem(
        domain={x: (0, 1), y: (0, 1), t: (0, 1)},
        fields={v: "vector", p: "scalar"},
        equations=[
            sp.Eq(v.diff(t) + pdesl.advect(v, v), pdesl.lap(v) / 100 - pdesl.grad(p)),
            sp.Eq(pdesl.div(v), 0),
        ],
        boundary=[pdesl.on("∂Ω", sp.Eq(v, 0))],
        initial=[sp.Eq(v, 0)],
    )
    text = (
        "domain:\n    x, y ∈ [0, 1]\n    t ∈ [0, 1]\n\nfields:\n    v(t, x, y) : vector\n"
        "    p(t, x, y) : scalar\n\nequations:\n    ∂t v + (v·∇)v = ∇²v/100 - ∇p\n    ∇·v = 0\n\n"
        "boundary:\n    v = 0 on ∂Ω\n\ninitial:\n    v = 0\n"
    )
    assert problem == from_text(text)


def test_matrices_tensors_and_reductions() -> None:
    w = sp.Function("w")(x, y)
    tensor = sp.Matrix([[1 + x, y / 3], [y / 3, 2]])
    k = sp.Symbol("K")
    problem = pdesl.Problem(
        domain={(x, y): pdesl.rectangle(x=(0, 1), y=(0, 2))},
        fields={w: "scalar"},
        let={k: tensor},
        equations=[
            sp.Eq(pdesl.div(pdesl.dot(k, pdesl.grad(w))) + pdesl.norm(pdesl.grad(w)) ** 2, 1)
        ],
        boundary=[pdesl.on(sp.Eq(x, 0), sp.Eq(w, 0)), pdesl.on(x > 0, sp.Eq(pdesl.dn(w), 0))],
    )
    a, b = (c.symbol for c in problem.space)
    system = normalise(problem)
    field = concrete(0, (a, b))
    flux = tensor.xreplace({x: a, y: b}) * sp.Matrix([sp.diff(field, a), sp.diff(field, b)])
    hand = (
        sp.diff(flux[0], a)
        + sp.diff(flux[1], b)
        + sp.diff(field, a) ** 2
        + sp.diff(field, b) ** 2
        - 1
    )
    at = {a: sp.Rational(1, 3), b: sp.Rational(2, 5)}
    assert number(row_value(system, system.rows[0], {"w": field}) - hand, at) == pytest.approx(0)


def test_numbers_of_numpy_are_numbers() -> None:
    problem = _heat(
        parameters={"a": np.float64(0.1), "b": np.int64(3), "c": np.float32(0.5)},
        equations=[sp.Eq(u.diff(t), sum(sp.symbols("a b c")) * pdesl.lap(u))],
        domain={(x, y): pdesl.polygon(np.array([[0, 0], [1, 0], [0, 1]])), t: (0, np.float64(2))},
    )
    assert [p.value for p in problem.parameters] == [sp.Rational(1, 10), 3, sp.Rational(1, 2)]


def test_floats_keep_all_their_digits() -> None:
    problem = _heat(equations=[sp.Eq(u.diff(t), sp.Float(1 / 3) * pdesl.lap(u))])
    (rational,) = problem.equations[0].rhs.atoms(sp.Rational) - {sp.Integer(1)}
    assert float(rational) == 1 / 3


def test_every_block_has_its_keyword() -> None:
    k = sp.Symbol("kappa")
    closure = sp.Function("N")(t, x, y)
    problem = _heat(
        parameters={k: pdesl.unknown(start=1, bounds=(0, 3))},
        closure={closure: pdesl.mlp(u, hidden=(8, 8))},
        equations=[sp.Eq(u.diff(t), pdesl.stiff(k * pdesl.lap(u)) + closure)],
        data={"runs": pdesl.load("a.h5")},
        fit={"runs.u": (u, 0.1), "epochs": 20},
        sweep={"kappa": [1, 2]},
        verify={"ladder": [10, 20]},
        output={"u.h5": [u]},
    )
    text = (
        "parameters:\n    κ = unknown(start=1, bounds=(0, 3))\n\ndomain:\n    Ω = disk(radius=1)\n"
        "    x, y ∈ Ω\n    t ∈ [0, 1]\n\nfields:\n    u(t, x, y) : scalar\n\nclosure:\n"
        "    N = mlp(u, hidden=[8, 8])\n\nequations:\n    ∂t u = stiff(κ ∇²u) + N\n\n"
        'boundary:\n    u = 0 on ∂Ω\n\ninitial:\n    u = 0\n\ndata:\n    runs = load("a.h5")\n\n'
        "fit:\n    runs.u ≈ u ± 0.1\n    epochs = 20\n\nsweep:\n    κ = [1, 2]\n\n"
        'verify:\n    ladder = [10, 20]\n\noutput:\n    at end: u -> "u.h5"\n'
    )
    assert problem == from_text(text)


def test_a_metric_from_a_line_element_a_matrix_and_a_name() -> None:
    r, a = sp.symbols("r theta")
    w = sp.Function("w")(r, a)
    dr, da = sp.symbols("dr dtheta")
    blocks: dict[str, Any] = {
        "domain": {r: (1, 2), a: pdesl.periodic(0, 2 * sp.pi)},
        "fields": {w: "scalar"},
        "equations": [sp.Eq(pdesl.lap(w), 0)],
        "boundary": [pdesl.on("∂Ω", sp.Eq(w, 0))],
    }
    line = pdesl.Problem(**blocks, metric=dr**2 + r**2 * da**2)
    matrix = pdesl.Problem(**blocks, metric=sp.Matrix([[1, 0], [0, r**2]]))
    assert normalise(line).rows == normalise(matrix).rows
    named = pdesl.Problem(**blocks, metric=pdesl.schwarzschild(mass=1))
    with pytest.raises(ProblemError) as caught:
        normalise(named)
    assert caught.value.diagnostics[0].code == "E336"


def test_the_conservative_form_stays() -> None:
    """A derivative of a product is not multiplied out before it is discretised."""
    form = sp.Derivative(u**2 / 2, x)
    problem = _heat(equations=[sp.Eq(u.diff(t) + form, 0)])
    kept = [n for n in problem.equations[0].lhs.atoms(sp.Derivative) if n.expr.is_Mul]
    assert len(kept) == 1
    assert "∂x(u²/2)" in problem.to_pde()


# -- tensors -------------------------------------------------------------------------------


def _maxwell(**changed: Any) -> pdesl.Problem:
    t, r, theta = sp.symbols("t r theta")
    mu, nu = indices("mu nu")
    A, F, g = (tensor(name, t, r, theta) for name in ("A", "F", "g"))
    psi = sp.Function("psi")(t, r, theta)
    boundary = [pdesl.on("∂Ω", sp.Eq(A[-mu], 0)), pdesl.on("∂Ω", sp.Eq(psi, 0))]
    blocks: dict[str, Any] = {
        "domain": {t: (0, 1), (r, theta): pdesl.box(lower=(1, 1), upper=(2, 2))},
        "metric": sp.Matrix([[-1, 0, 0], [0, 1, 0], [0, 0, r**2]]),
        "fields": {A[-mu]: "tensor", psi: "scalar"},
        "let": {F[-mu, -nu]: partial(-mu, A[-nu]) - partial(-nu, A[-mu])},
        "equations": [
            sp.Eq(nabla(-mu, F[mu, nu]), nabla(nu, psi)),
            sp.Eq(g[mu, nu] * nabla(-mu, nabla(-nu, psi)), sp.diff(psi, t) + A[-t]),
        ],
        "boundary": boundary,
        "initial": [
            sp.Eq(A[-mu], 0), sp.Eq(sp.diff(A[-mu], t), 0),
            sp.Eq(psi, 0), sp.Eq(sp.diff(psi, t), 0),
        ],
    }  # fmt: skip
    return pdesl.Problem(**blocks | changed)


def test_index_notation_in_python_is_that_of_a_file() -> None:
    text = """\
domain:
    t ∈ [0, 1]
    Ω = box(lower=(1, 1), upper=(2, 2))
    r, θ ∈ Ω
metric:
    g = [[-1, 0, 0], [0, 1, 0], [0, 0, r²]]
fields:
    A_{μ}(t, r, θ) : tensor
    ψ(t, r, θ) : scalar
let:
    F_{μν} = ∂_μ A_{ν} - ∂_ν A_{μ}
equations:
    ∇_μ F^{μν} = ∇^ν ψ
    □ψ = ∂t ψ + A_t
boundary:
    A_{μ} = 0    on ∂Ω
    ψ = 0    on ∂Ω
initial:
    A_{μ} = 0
    ∂t A_{μ} = 0
    ψ = 0
    ∂t ψ = 0
"""
    found = normalise(_maxwell())
    wanted = normalise(pdesl.Problem.from_text(text))
    assert found.fields == wanted.fields == ("A_t", "A_r", "A_θ", "ψ")
    for row, same in zip(found.all_rows, wanted.all_rows, strict=True):
        assert is_zero(row.residual - same.residual)


def test_tensors_have_symmetries_in_python() -> None:
    t, r, theta = sp.symbols("t r theta")
    i, j = indices("i, j")
    h = tensor("h", t, r, theta)
    fields = {h[-i, -j]: "symmetric tensor"}
    problem = _maxwell(
        fields=fields, let={}, boundary=[], initial=[sp.Eq(h[-i, -j], 0)],
        equations=[sp.Eq(sp.diff(h[-i, -j], t), 2 * h[-i, -j])],
    )  # fmt: skip
    assert problem.fields[0].components == ("h_r_r", "h_r_θ", "h_θ_θ")
    assert len(problem.equations) == 3


def test_what_is_no_index_or_tensor() -> None:
    t, x = sp.symbols("t x")
    (mu,) = indices("mu")
    with pytest.raises(ValueError, match="no letter"):
        indices("mu foo")
    with pytest.raises(ValueError, match="a name and coordinates"):
        tensor("A")
    with pytest.raises(TypeError, match="no index"):
        tensor("A", t, x)[3.5]
    with pytest.raises(TypeError, match="at its coordinates"):
        _maxwell(equations=[sp.Eq(tensor("A", t, x)[mu].subs(x, 1), 0)])
