"""What a check says of a metric on its domain, and of the type of equations."""

from __future__ import annotations

import numpy as np
import pytest

from pdesl.diagnostics import Diagnostic, ProblemError, Severity, Source
from pdesl.ir.chart import ChartFacts, chart_facts
from pdesl.ir.normalise import normalise
from pdesl.ir.samples import interior_sample
from pdesl.run.pipeline import check
from pdesl.symbolic.domain import make_region
from pdesl.symbolic.elaborate import elaborate_source

DECLARED = {1: "x", 2: "x, y", 3: "x, y, z"}


def text(
    domain: list[str], fields: str, equation: str, metric: str = "", condition: str = "u = 0",
    parameters: str = "M = 0.5",
) -> str:  # fmt: skip
    time = "t" in fields.split(", ")
    initial = ["    u = 0", *(["    ∂t u = 0"] if "∂t²" in equation or "□" in equation else [])]
    return "\n".join([
        "pdesl 1", "parameters:", f"    {parameters}", "domain:", *(f"    {d}" for d in domain),
        *(["metric:", f"    {metric}"] if metric else []),
        "fields:", f"    u({fields}) : scalar", "equations:", f"    {equation}",
        "boundary:", f"    {condition} on ∂Ω", *(["initial:", *initial] if time else []), "",
    ])  # fmt: skip


def checked(source: str) -> tuple[dict[str, Diagnostic], list[str]]:
    try:
        report = check(Source("check.pde", source))
    except ProblemError as error:
        return {d.code: d for d in error.diagnostics}, []
    return {d.code: d for d in report.diagnostics}, [line.strip() for line in report.summary]


def charted(source: str) -> ChartFacts:
    problem = elaborate_source(Source("check.pde", source))
    system = normalise(problem)
    values = problem.parameter_values()
    assert problem.shape is not None
    region = make_region(problem.shape, system.space_symbols, values)
    found = chart_facts(system, region, interior_sample(region), values, (0.0, 1.0))
    assert found is not None
    return found


BOX = ["x, y, z ∈ [-1, 1]", "t ∈ [0, 1]"]
ROUND = ["θ ∈ [0.5, 2.5]", "φ ∈ periodic(0, 2 π)", "t ∈ [0, 1]"]


@pytest.mark.parametrize("chart", ["cartesian", "isotropic", "painleve_gullstrand", "kerr_schild"])
def test_a_horizon_that_crosses_the_box(chart: str) -> None:
    """The centre is outside; only the charts that end at the horizon degenerate there."""
    call = f'g = schwarzschild(mass=M, center=(-1.4, 0, 0), chart="{chart}")'
    if chart == "isotropic":
        call = call.replace("-1.4", "-1.1")
    source = text(BOX, "t, x, y, z", "□u = 0", call)
    found = charted(source)
    assert list(found.signatures) == [(1, 3)]
    regular = chart in ("painleve_gullstrand", "kerr_schild")
    assert [p.inside for p in found.places] == ([] if regular else [True])
    codes, lines = checked(source)
    assert "metric: signature (− + + +)" in lines
    assert ("W930" in codes) is not regular
    for place in found.places:
        radius = 0.25 if chart == "isotropic" else 1.0
        center = np.array([-1.1 if chart == "isotropic" else -1.4, 0.0, 0.0])
        assert np.linalg.norm(place.point[1:] - center) == pytest.approx(radius, abs=1e-6)
        assert "the horizon" in place.words
        assert f"= {radius:.4g}" in place.words
        diagnostic = codes["W930"]
        assert diagnostic.severity is Severity.WARNING
        assert diagnostic.span is not None
        assert diagnostic.span.line == 8
        assert "t =" not in diagnostic.message  # the metric does not depend on time


def test_inside_a_horizon_the_equation_is_not_hyperbolic_in_time() -> None:
    call = 'g = schwarzschild(mass=M, center=(-1.4, 0, 0), chart="cartesian")'
    codes, lines = checked(text(BOX, "t, x, y, z", "□u = 0", call))
    assert "W931" in codes
    assert "hyperbolic in a part of the domain only" in codes["W931"].message
    assert any(line.startswith("type: changes") for line in lines)
    regular = call.replace("cartesian", "kerr_schild")
    codes, lines = checked(text(BOX, "t, x, y, z", "□u = 0", regular))
    assert not codes
    assert "type: hyperbolic" in lines


def test_a_horizon_that_touches_the_box() -> None:
    """The problem of the Neural-IVP paper: r = 2M at (−1, 0, 0), on the boundary."""
    call = 'g = schwarzschild(mass=M, center=(-2, 0, 0), chart="cartesian")'
    source = text(BOX, "t, x, y, z", "□u = 0", call)
    (place,) = charted(source).places
    assert not place.inside
    assert place.point[1:] == pytest.approx([-1, 0, 0], abs=1e-6)
    codes, lines = checked(source)
    assert not codes
    assert any(line.startswith("the chart degenerates at the boundary near x = -1, y = 0, z = 0")
               for line in lines)  # fmt: skip


@pytest.mark.parametrize(
    ("metric", "domain", "fields", "words", "inside"),
    [
        ('g = schwarzschild(mass=M, chart="spherical")', ["r ∈ [0.5, 3]", *ROUND],
         "t, r, θ, φ", "the horizon", True),
        ('g = kerr(mass=M, spin=0.3, chart="boyer_lindquist")', ["r ∈ [0.7, 3]", *ROUND],
         "t, r, θ, φ", "the horizon", True),
        ('g = reissner_nordstrom(mass=M, charge=0.4, chart="spherical")', ["r ∈ [0.1, 0.7]",
         *ROUND], "t, r, θ, φ", "the inner horizon", True),
        ("g = kerr(mass=M, spin=0)", BOX, "t, x, y, z", "r = 0", True),
        ('g = minkowski(chart="spherical")', ["r ∈ [0, 3]", *ROUND], "t, r, θ, φ", "centre",
         False),
        ("g = sphere(radius=2)", ["θ ∈ [0, 2.5]", *ROUND[1:]], "t, θ, φ", "axis", False),
        ('g = flrw(scale=t, chart="cartesian")', BOX, "t, x, y, z", "scale factor", False),
        ("ds² = dx² + y² dz² + dy²", ["x, y, z ∈ [-1, 1]"], "x, y, z", "g^{zz}", True),
        ("ds² = dx² + dy² + dz²/(x² + y² + z²)", ["x, y, z ∈ [-1, 1]"], "x, y, z", "g_{zz}", True),
        ("ds² = -dt² + exp(20 x) dx² + dy² + dz²", BOX, "t, x, y, z", "", False),
        ('g = torus(major=2, minor=1)', ["θ, φ ∈ periodic(0, 2 π)"], "θ, φ", "", False),
        ('g = flrw(scale=1 + t, curvature=-1, chart="spherical")', ["r ∈ [1, 3]", *ROUND],
         "t, r, θ, φ", "", False),
    ],
)  # fmt: skip
def test_places_where_charts_degenerate(
    metric: str, domain: list[str], fields: str, words: str, inside: bool
) -> None:
    equation = "□u = 0" if fields.startswith("t") else "∇²u = 1"
    places = charted(text(domain, fields, equation, metric)).places
    if not words:
        assert not places
        return
    found = [p for p in places if words in p.words]
    assert [p.inside for p in found] == [inside], [p.words for p in places]


def test_a_moving_singularity_is_found_in_time() -> None:
    """dx²/(x − t)²: the place depends on time, and the message tells it."""
    source = text(["x ∈ [0, 1]", "t ∈ [0, 1]"], "t, x", "□u = 0", "ds² = -dt² + dx²/(x - t)²")
    (place,) = charted(source).places
    assert place.point[0] == pytest.approx(place.point[1], abs=1e-6)
    codes, _ = checked(source)
    assert "t = " in codes["W930"].message


@pytest.mark.parametrize(
    ("metric", "change"),
    [("ds² = dx² + (1 + 3 x) dy²", True), ("ds² = dx² + (4 + 3 x) dy²", False),
     ("ds² = dx² + 2 (x + 1/2) dx dy + dy²", True), ("ds² = dx² + 2 x/2 dx dy + dy²", False)],
)  # fmt: skip
def test_a_signature_that_changes(metric: str, change: bool) -> None:
    codes, _ = checked(text(["x, y ∈ [-1, 1]"], "x, y", "∇²u = 1", metric))
    assert ("E337" in codes) is change
    if change:
        message = codes["E337"].message
        assert "(+ +)" in message
        assert "(− +)" in message


TYPES = [
    ("∇²u = 1", 2, "elliptic"), ("∂x²u - ∂y²u = 0", 2, "hyperbolic"), ("∂x²u = u", 2, "parabolic"),
    ("∂x²u + ∂y²u - ∂z²u = 0", 3, "hyperbolic"), ("∇⁴u = 1", 2, "elliptic"),
    ("∂x⁴u - ∂y⁴u = 0", 2, "not elliptic"), ("∂x²u + (1 + x²) ∂y²u + ∂x u = u³", 2, "elliptic"),
    ("∂t u = ∇²u", 2, "parabolic"), ("∂t u = -∇⁴u - ∇²u", 2, "parabolic"),
    ("∂t u = ∂x²u + ∂x∂y u + ∂y²u", 2, "parabolic"), ("∂t u + ∂x u = 0", 1, "hyperbolic"),
    ("∂t u + ∂x³u = 0", 1, "dispersive"), ("∂t²u = ∇²u - sin(u)", 2, "hyperbolic"),
    ("∂t²u + ∂t∂x u = ∂x²u", 1, "hyperbolic"), ("∂t²u = -∇⁴u", 2, "dispersive"),
    ("∂t u = u ∂x²u", 1, ""), ("∂t u = ∂x²u + u ∂x u", 1, "parabolic"),
    ("∂t u = ∂x²(u³)", 1, ""),
]  # fmt: skip
ILL_POSED = [
    ("∂t u = -∇²u", 2, "ill-posed"), ("∂t u = ∂x²u - ∂y²u", 2, "ill-posed"),
    ("∂t u = ∇⁴u", 1, "ill-posed"), ("∂t²u + ∇²u = 0", 2, "elliptic"),
    ("∂t²u = ∂x²u - ∂y²u", 2, "not hyperbolic in time"), ("∂t²u = ∇⁴u", 1, "ill-posed"),
    ("∂t u = ∇·((x - 1/4) ∇u)", 1, "parabolic in a part of the domain only"),
]  # fmt: skip


def _typed(equation: str, dimension: int) -> tuple[dict[str, Diagnostic], list[str]]:
    names = DECLARED[dimension]
    time = "∂t" in equation
    domain = [f"{names} ∈ [0, 1]", *(["t ∈ [0, 1]"] if time else [])]
    higher = "⁴" in equation
    condition = "u = 0 on ∂Ω\n    ∂n u = 0" if higher else "u = 0"
    return checked(text(domain, f"t, {names}" if time else names, equation, condition=condition))


@pytest.mark.parametrize(("equation", "dimension", "name"), TYPES)
def test_types(equation: str, dimension: int, name: str) -> None:
    codes, lines = _typed(equation, dimension)
    assert "W931" not in codes
    found = [line.removeprefix("type: ") for line in lines if line.startswith("type: ")]
    if lines:
        assert found == ([name] if name else [])
    assert lines or set(codes) <= {"E403", "E404", "E406"}, codes


@pytest.mark.parametrize(("equation", "dimension", "words"), ILL_POSED)
def test_ill_posed_equations(equation: str, dimension: int, words: str) -> None:
    codes, _ = _typed(equation, dimension)
    assert words in codes["W931"].message
    span = codes["W931"].span
    assert span is not None
    assert span.text.replace(" ", "") in equation.replace(" ", "")


def test_types_of_several_fields() -> None:
    source = (
        "domain:\n    x ∈ [0, 1]\n    t ∈ [0, 1]\nfields:\n    u(t, x), v(t, x) : scalar\n"
        "equations:\n    ∂t u = ∂x²u + u v\n    ∂t²v = ∂x²v - u\n"
        "boundary:\n    u = 0 on ∂Ω\n    v = 0 on ∂Ω\n"
        "initial:\n    u = 0\n    v = 0\n    ∂t v = 0\n"
    )
    _, lines = checked(source)
    assert "type: u parabolic; v hyperbolic" in lines
