"""`reduce:`: what is left is the original operator on the ansatz, divided by one common factor."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from pdesl.api import Problem as PythonProblem
from pdesl.diagnostics import ProblemError
from pdesl.ir.facts import verify
from pdesl.ir.frame import frame_of
from pdesl.ir.normalise import exact_jets, normalise
from pdesl.ir.reduction import reduce_problem
from pdesl.symbolic.functions import make_function, numpy_namespace, vanishes
from pdesl.symbolic.operators import erase
from pdesl.symbolic.problem import Problem
from tests.strategies_symbolic import concrete, from_text, number

t, x, r, θ, φ = sympy.symbols("t x r θ φ", real=True)
M = sympy.Symbol("M", real=True)

TORTOISE = """parameters:
    M = 1
    l = 2

domain:
    x ∈ [-100, 200]
    t ∈ [0, 10]

let:
    r(x) = 2M (1 + lambertw(exp(x/(2M) - 1)))

metric:
    ds² = (1 - 2M/r) (-dt² + dx²) + r² (dθ² + sin(θ)² dφ²)

fields:
    ψ(t, x, θ, φ) : scalar
    u(t, x) : scalar

equations:
    □ψ = 0

reduce:
    ψ = u Y(l, 0, θ, φ)/r

boundary:
    ∂t u = ∂x u      on x = -100
    ∂t u = -∂x u     on x = 200

initial:
    u = exp(-(x - 10)²/8)
    ∂t u = 0
"""

POLAR = """domain:
    t ∈ [0, 1]
    r ∈ [1, 2]

metric:
    g = flat(chart="polar")

fields:
    T(t, r, θ) : scalar
    w(t, r) : scalar

equations:
    EQUATION

reduce:
    T = ANSATZ
"""


def _polar(equation: str = "∂t T = ∇²T", ansatz: str = "w cos(3 θ)") -> str:
    return POLAR.replace("EQUATION", equation).replace("ANSATZ", ansatz)


# -- known equations -----------------------------------------------------------------------


def test_a_schwarzschild_wave_leaves_the_regge_wheeler_equation() -> None:
    system = normalise(from_text(TORTOISE))
    assert [c.name for c in system.problem.coordinates] == ["t", "x"]
    assert system.fields == ("u",)
    assert not verify(system)
    (row,) = system.rows
    found = {term.jet.orders: term.coefficient for term in (*row.mass, *row.linear)}
    assert set(found) == {(2, 0), (0, 2), (0, 0)}
    assert found[2, 0] == 1
    assert found[0, 2] == -1
    ell = sympy.Symbol("l", real=True)
    radius = 2 * M * (1 + sympy.LambertW(sympy.exp(x / (2 * M) - 1)))
    potential = (1 - 2 * M / radius) * (ell * (ell + 1) / radius**2 + 2 * M / radius**3)
    assert vanishes(found[0, 0] - potential)


def test_the_potential_keeps_its_digits_near_the_horizon_and_far_out() -> None:
    """There 1 − 2M/r is 1e-22, and exp(x/2M − 1) overflows single precision at x = 200."""
    (row,) = normalise(from_text(TORTOISE)).rows
    potential = next(t.coefficient for t in row.linear if not any(t.jet.orders))
    ell = sympy.Symbol("l", real=True)
    evaluate = make_function([potential], [x, M, ell], numpy_namespace())
    for place in (-100.0, 0.0, 200.0, 5000.0):
        (value,) = evaluate(np.asarray(place), 1.0, 2.0)
        with mpmath.workdps(40):
            omega = mpmath.re(mpmath.lambertw(mpmath.exp(mpmath.mpf(place) / 2 - 1)))
        radius = 2 * (1 + omega)
        exact = omega / (1 + omega) * (6 / radius**2 + 2 / radius**3)
        assert abs(value / float(exact) - 1) < 1e-12
    (single,) = evaluate(np.float32(200.0), np.float32(1.0), np.float32(2.0))
    assert np.isfinite(single)
    assert single == pytest.approx(6 / 191**2, rel=0.1)


def test_a_fourier_mode_in_polar_coordinates() -> None:
    (row,) = normalise(from_text(_polar())).rows
    found = {t.jet.orders: t.coefficient for t in (*row.mass, *row.linear)}
    assert found == {(1, 0): 1, (0, 2): -1, (0, 1): -1 / r, (0, 0): 9 / r**2}


def test_a_legendre_function_does_as_a_spherical_harmonic() -> None:
    text = TORTOISE.replace("Y(l, 0, θ, φ)", "legendre(l, 0, θ)")
    one, two = (normalise(from_text(e)).rows[0] for e in (text, TORTOISE))
    assert vanishes(one.residual - two.residual)


def test_a_change_of_the_amplitude_alone_separates_nothing() -> None:
    (row,) = normalise(
        from_text(
            "domain:\n    t ∈ [0, 1]\n    r ∈ [1, 2]\n    θ ∈ [1, 2]\n    φ ∈ [0, 1]\n\n"
            "metric:\n    g = minkowski(chart=\"spherical\")\n\n"
            "fields:\n    ψ(t, r, θ, φ) : scalar\n    u(t, r, θ, φ) : scalar\n\n"
            "equations:\n    □ψ = ψ³\n\nreduce:\n    ψ = u/r\n"
        )
    ).rows  # fmt: skip
    found = {t.jet.orders: t.coefficient for t in (*row.mass, *row.linear)}
    assert found[2, 0, 0, 0] == 1
    assert found[0, 2, 0, 0] == -1
    assert (0, 1, 0, 0) not in found  # no first derivative along r, the point of the ansatz
    assert not row.is_linear


def test_two_fields_for_two_functions_of_time() -> None:
    system = normalise(
        from_text(
            "parameters:\n    ω = 2\n\ndomain:\n    x ∈ [0, 1]\n    t ∈ [0, 1]\n\n"
            "fields:\n    u(t, x) : scalar\n    a(x), b(x) : scalar\n\n"
            "equations:\n    ∂t u = ∂x²u\n\nreduce:\n    u = a cos(ω t) + b sin(ω t)\n"
        )
    )
    assert system.is_steady
    residuals = {sympy.expand(row.residual / row.residual.coeff(sympy.Symbol("a{2}", real=True), 1))
                 if row.residual.has(sympy.Symbol("a{2}", real=True))
                 else sympy.expand(row.residual) for row in system.rows}  # fmt: skip
    assert len(residuals) == 2
    assert {row.order for e in residuals for row in system.space.jets(e)} == {0, 2}


# -- the law -------------------------------------------------------------------------------

_HARMONICS = {
    (1, 0): sympy.cos(θ),
    (2, 0): 3 * sympy.cos(θ) ** 2 - 1,
    (2, 1): sympy.sin(θ) * sympy.cos(θ) * sympy.cos(φ),
    (2, 2): sympy.sin(θ) ** 2 * sympy.sin(2 * φ),
    (3, 2): sympy.sin(θ) ** 2 * sympy.cos(θ) * sympy.cos(2 * φ),
}


def _value(problem: Problem, fields: dict[str, sympy.Expr], place: dict[Any, Any]) -> float:
    """The residual of the only equation at a place, with concrete fields."""
    frame = frame_of(problem)
    (equation,) = problem.equations
    residual = erase(equation.lhs - equation.rhs, frame)
    return number(exact_jets(residual, frame.space, fields), place)


@settings(max_examples=12)
@given(
    st.sampled_from(sorted(_HARMONICS)),
    st.sampled_from(["u", "u/r", "r u", "u exp(-t)", "u/sqrt(r)"]),
    st.sampled_from(["□ψ = 0", "□ψ = ψ/r²", "2 □ψ + ∂t ψ = 0", "r ∂r ψ + □ψ = ψ"]),
    st.integers(0, 3),
)
def test_the_reduced_equation_is_the_original_one_on_the_ansatz(
    degree: tuple[int, int], amplitude: str, equation: str, which: int
) -> None:
    """R[ansatz(u)] = w · R_reduced[u], with a factor w that does not depend on u."""
    text = (
        "domain:\n    t ∈ [0, 1]\n    r ∈ [3, 4]\n\n"
        "metric:\n    ds² = -(1 - 1/r) dt² + dr²/(1 - 1/r) + r² (dθ² + sin(θ)² dφ²)\n\n"
        "fields:\n    ψ(t, r, θ, φ) : scalar\n    u(t, r) : scalar\n\n"
        f"equations:\n    {equation}\n\n"
        f"reduce:\n    ψ = {amplitude} Y({degree[0]}, {degree[1]}, θ, φ)\n"
    ).replace("u/r Y", "(u/r) Y").replace("u/sqrt(r) Y", "(u/sqrt(r)) Y")  # fmt: skip
    problem = from_text(text)
    reduced = reduce_problem(problem)
    place = {t: sympy.Rational(2, 7), r: sympy.Rational(17, 5), θ: sympy.Rational(3, 5),
             φ: sympy.Rational(4, 7)}  # fmt: skip
    (given,) = problem.reduction
    mode = next(n for n in given.value.atoms(sympy.Function) if n.func.__name__ == "Y")
    u = next(n for n in given.value.atoms(sympy.Function) if n.func.__name__ == "u")
    factors = []
    for index in (which, which + 1):
        own = concrete(index, (t, r))
        whole: Any = given.value.xreplace({mode: _HARMONICS[degree], u: own})
        stated = _value(problem, {"ψ": whole}, place)
        left = _value(reduced, {"u": own}, place)
        assert abs(left) > 1e-6
        factors.append(stated / left)
    assert abs(factors[0] - factors[1]) <= 1e-9 * abs(factors[0])


def test_a_rotating_hole_with_a_pair_of_modes() -> None:
    """g^{tφ} mixes cos(m φ) and sin(m φ): two equations for two fields, and an exact check."""
    text = (
        "parameters:\n    M = 1\n    a = 0.5\n    m = 2\n\n"
        "domain:\n    t ∈ [0, 1]\n    r ∈ [3, 9]\n    θ ∈ [0.5, 2]\n\n"
        'metric:\n    g = kerr(mass=M, spin=a, chart="boyer_lindquist")\n\n'
        "fields:\n    ψ(t, r, θ, φ) : scalar\n    u(t, r, θ), v(t, r, θ) : scalar\n\n"
        "equations:\n    □ψ = 0\n\nreduce:\n    ψ = u cos(m φ) + v sin(m φ)\n"
    )
    problem = from_text(text)
    reduced = reduce_problem(problem)
    assert len(reduced.equations) == 2
    place = {s: sympy.Rational(p) for s, p in zip((t, r, θ), ("2/7", "17/5", "3/5"), strict=True)}
    place |= {p.symbol: sympy.nsimplify(p.value) for p in problem.parameters}  # type: ignore[arg-type]
    frame = frame_of(reduced)
    fields = {"u": concrete(1, (t, r, θ)), "v": concrete(2, (t, r, θ))}
    left = [
        number(exact_jets(erase(e.lhs, frame), frame.space, fields), place)
        for e in reduced.equations
    ]
    m = place[sympy.Symbol("m", real=True)]
    whole = fields["u"] * sympy.cos(m * φ) + fields["v"] * sympy.sin(m * φ)
    stated = [_value(problem, {"ψ": whole}, {**place, φ: value}) for value in (0, sympy.pi / 4)]
    # At m φ = 0 and π/2 the equation is a multiple of the first and of the second.
    inverse: Any = frame_of(problem).metric.inverse[0, 0]  # type: ignore[union-attr]
    weight = number(inverse, place)
    for value, own in zip(stated, left, strict=True):
        assert abs(value - weight * own) < 1e-9 * abs(value)


# -- refusals ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "code", "place"),
    [
        (_polar("∂t T = ∇²T - T²"), "E343", "T²"),
        (_polar("∂t T = ∇²T - cos(θ) T"), "E343", "cos(θ) T"),
        (_polar("∂t T = ∇²T + sin(T)"), "E343", "sin(T)"),
        (_polar("∂t T = ∇²T", "w cos(3 θ) + r"), "E343", "∇²T"),
        (_polar("∂t T = ∇²T", "w cos(r θ)"), "E343", "∇²T"),
        (_polar("∂t T = stiff(∇²T)"), "E316", "stiff(∇²T)"),
        (_polar("∂t T = ∇²T", "T cos(θ) + w"), "E341", "T = T cos(θ) + w"),
        (_polar("∂t T = ∇²T", "w legendre(2, θ, θ)"), "E342", "T = w legendre(2, θ, θ)"),
        (_polar("∂t T = ∇²T", "w legendre(2, 0, r)"), "E342", "T = w legendre(2, 0, r)"),
    ],
)  # fmt: skip
def test_what_cannot_be_reduced_is_told_at_its_place(text: str, code: str, place: str) -> None:
    with pytest.raises(ProblemError) as caught:
        normalise(from_text(text))
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == code
    assert diagnostic.helps
    assert diagnostic.span is not None
    assert diagnostic.span.text == place


@pytest.mark.parametrize(
    ("lines", "place"),
    [
        ("boundary:\n    T = 0 on ∂Ω\n", "T"),
        ("boundary:\n    ∂n w = 0 on ∂Ω\n", "∂n w"),
        ("boundary:\n    w = θ on ∂Ω\n", "w = θ on ∂Ω"),
        ("verify:\n    T = r\n", "T = r"),
    ],
)
def test_statements_without_meaning_behind_the_reduction(lines: str, place: str) -> None:
    with pytest.raises(ProblemError) as caught:
        normalise(from_text(_polar() + "\n" + lines))
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "E344"
    assert diagnostic.span is not None
    assert diagnostic.span.text == place


# -- faces ---------------------------------------------------------------------------------


def test_a_reduction_is_printed_and_read_again() -> None:
    for text in (TORTOISE, _polar(), _polar("∂t T = ∇²T", "w legendre(2, 0, θ)")):
        problem = from_text(text)
        assert from_text(problem.to_pde()) == problem
        assert from_text(problem.to_pde("ascii")) == problem
    latex = from_text(TORTOISE)._repr_latex_()
    assert r"Y_{l,0}\left(\theta, \varphi\right)" in latex


def test_a_reduction_in_python() -> None:
    T, w, w_ = (sympy.Function(n) for n in ("T", "w", "w"))
    problem = PythonProblem(
        domain={t: (0, 1), r: (1, 2), θ: (0, 3)},
        metric=[[1, 0, 0], [0, 1, 0], [0, 0, r**2]],
        fields={T(t, r, θ): "scalar", w(t, r): "scalar"},
        equations=[sympy.Eq(T(t, r, θ).diff(t), T(t, r, θ).diff(r, 2))],  # type: ignore[list-item]
        reduce={T(t, r, θ): w_(t, r) * sympy.cos(θ)},
    )
    (row,) = problem.compile("system").rows
    found = {term.jet.orders: term.coefficient for term in (*row.mass, *row.linear)}
    assert found == {(1, 0): 1, (0, 2): -1}


def test_a_domain_in_parts_keeps_those_that_are_left() -> None:
    text = (
        "domain:\n    Ω = disk(radius=1)\n    x, y ∈ Ω\n    z ∈ [0, 1]\n    t ∈ [0, 1]\n\n"
        "fields:\n    u(t, x, y, z) : scalar\n    w(t, x, y) : scalar\n\n"
        "equations:\n    ∂t u = ∇²u\n\nreduce:\n    u = w sin(2 z)\n\n"
        "boundary:\n    w = 0 on ∂Ω\n\ninitial:\n    w = 1 - x² - y²\n"
    )
    reduced = reduce_problem(from_text(text))
    assert reduced.shape is not None
    assert reduced.shape.kind == "disk"
    assert [c.name for c in reduced.space] == ["x", "y"]
    assert not [d for d in verify(normalise(reduced)) if d.code.startswith("E")]
