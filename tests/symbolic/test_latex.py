"""LaTeX: every piece can be typeset, names have their Greek letters, operators their brackets."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import sympy
from matplotlib.font_manager import FontProperties
from matplotlib.mathtext import MathTextParser

from pdesl.ir.normalise import normalise
from pdesl.ir.text import latex_system
from pdesl.symbolic.latex import MathPrinter, latex_name, to_latex
from pdesl.symbolic.operators import marker
from tests.strategies_symbolic import ALL_FILES, PLANE, from_text, read, x, y

u, w = sympy.Function("u")(x, y), sympy.Function("w")(x, y)
lap, grad, div, dn = (marker(n) for n in ("lap", "grad", "div", "dn"))


@pytest.mark.parametrize("path", ALL_FILES, ids=lambda p: f"{p.parent.parent.name}-{p.stem}")
def test_every_piece_can_be_typeset(path: Path) -> None:
    problem = read(path)
    parser = MathTextParser("agg")
    font = FontProperties(size=8)
    for text in (to_latex(problem), latex_system(normalise(problem))):
        body = text.removeprefix("$$").removesuffix("$$").strip()
        lines = body.split("\n")
        assert lines[0] == r"\begin{aligned}"
        assert lines[-1] == r"\end{aligned}"
        assert text.isascii(), [c for c in text if not c.isascii()]
        for line in lines[1:-1]:
            assert not re.search(r"_\{[^{}]*\}_\{", line), line  # a double subscript
            for piece in re.split(r"&&|&", line.removesuffix(r"\\").strip()):
                if piece.strip():
                    # Mathtext has no \Box.
                    parser.parse(f"${piece.strip()}$".replace(r"\Box", r"\nabla"), 72, font)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("u", "u"), ("κ", r"\kappa"), ("ε", r"\varepsilon"), ("φ", r"\varphi"), ("λ", r"\lambda"),
        ("Ω", r"\Omega"), ("Δ", r"\Delta"), ("Ρ", "P"), ("κ_1", r"\kappa_{1}"), ("x12", "x_{12}"),
        ("v_x", "v_{x}"), ("D_u", "D_{u}"), ("hare", r"\mathrm{hare}"), ("Re", r"\mathrm{Re}"),
        ("φ_out", r"\varphi_{\mathrm{out}}"), ("u_1_x", "u_{1 x}"), ("n[x]", "n_{x}"),
        ("n[x_2]", "n_{x_{2}}"), ("T0", "T_{0}"), ("runs.u", r"\mathrm{runs}_{u}"),
    ],
)  # fmt: skip
def test_names(name: str, expected: str) -> None:
    assert latex_name(name) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (lap(u), r"\nabla^{2} u"),
        (lap(lap(u)), r"\nabla^{4} u"),
        (lap(u**3 - u), r"\nabla^{2} \left(u^{3} - u\right)"),
        (dn(u), r"\partial_n u"),
        (grad(u, 2), r"\partial_{y} u"),
        (grad(u, 1) ** 2, r"\left(\partial_{x} u\right)^{2}"),
        (div(w * grad(u, 1), w * grad(u, 2)), r"\nabla\cdot \left(w \nabla u\right)"),
        (div(grad(u, 1), grad(u, 2)), r"\nabla\cdot \nabla u"),
        (div(u, x), r"\nabla\cdot \left(u,\ x\right)"),
        (sympy.Derivative(u**2 / 2, x), r"\partial_{x} \left(\frac{u^{2}}{2}\right)"),
        (sympy.Derivative(u, (x, 2), y), r"\partial_{x}^{2}\partial_{y} u"),
        (u * sympy.Derivative(w, x), r"u \partial_{x} w"),
        (lap(u) ** 2 * u, r"\left(\nabla^{2} u\right)^{2} u"),
        (marker("stiff")(lap(u)), r"\operatorname{stiff}\left(\nabla^{2} u\right)"),
        (sympy.Heaviside(x, sympy.S.Half), r"\operatorname{step}\left(x\right)"),
    ],
)
def test_operators(expression: sympy.Expr, expected: str) -> None:
    assert MathPrinter(["x", "y"]).doprint(expression) == expected


def test_jets_are_derivatives_and_keep_their_operand() -> None:
    space = PLANE.space
    ux, w0 = space.symbol(space.jet("u", (1, 0))), space.symbol(space.jet("w"))
    text = MathPrinter(jets=space).doprint
    assert text(ux**2) == r"\left(\partial_{x} u\right)^{2}"
    assert text(ux * w0) in (r"w \partial_{x} u", r"\left(\partial_{x} u\right) w")


def test_regions_and_the_start() -> None:
    problem = from_text(
        "domain:\n    plate = disk(radius=2)\n    hole = disk(radius=1/2)\n    Ω = plate - hole\n"
        "    x, y ∈ Ω\n    t ∈ [1, 2]\n\nfields:\n    u(t, x, y) : scalar\n\n"
        "equations:\n    ∂t u = ∇²u\n\n"
        "boundary:\n    u = 0 on ∂hole\n    u = 1 on x > 1, ∂plate\n\n"
        "initial:\n    u = 0\n"
    )
    lines = to_latex(problem).split("\n")
    assert r"\text{on }\ \partial \mathrm{hole}" in lines[2]
    assert r"x > 1" in lines[3]
    assert r"\text{at }\ t = 1" in lines[4]
