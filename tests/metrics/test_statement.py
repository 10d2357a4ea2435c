"""Metrics as files and Python state them: names, line elements, matrices, and what is wrong."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sympy
from click.testing import CliRunner

import pdesl
from pdesl.diagnostics import ProblemError, Source
from pdesl.ir.normalise import normalise
from pdesl.run.cli import commands
from pdesl.run.pipeline import check, compile, show
from pdesl.symbolic.functions import make_function, numpy_namespace
from pdesl.symbolic.metric import METRICS, Metric, metric_of
from pdesl.symbolic.operators import marker
from pdesl.symbolic.problem import Problem
from tests.metrics.exact import CHARTS

RANGE = {"r": "[3, 4]", "θ": "[0.5, 2]", "φ": "periodic(0, 2 π)", "z": "[1, 2]"}
OPTIONS = {
    "mass": "M", "spin": "0.3", "charge": "0.2", "radius": "2", "major": "3", "minor": "M",
    "scale": "exp(t/3)", "curvature": "0.01", "time": '"conformal"', "center": "(-2, 0, 1/3)",
}  # fmt: skip
CARTESIAN = ("x", "y", "z")


def text(
    metric: str, domain: list[str], fields: str, equation: str = "□u = 0", let: str = ""
) -> str:
    time = "t" in fields.split(", ")
    return "\n".join([
        "pdesl 1", "parameters:", "    M = 0.5", "domain:", *(f"    {d}" for d in domain),
        *(["let:", f"    {let}"] if let else []),
        "metric:", f"    {metric}", "fields:", f"    u({fields}) : scalar", "equations:",
        f"    {equation}", "boundary:", "    u = 0 on ∂Ω",
        *(["initial:", "    u = 0", "    ∂t u = 0"] if time else []), "",
    ])  # fmt: skip


def named(name: str, chart: str) -> str:
    entry = METRICS[name]
    own = entry.charts[chart]
    roles = [r.name for r in own.roles] or list(CARTESIAN[: min(own.count[1], 3)])
    lines = [f"{r} ∈ {RANGE.get(r, '[1, 2]')}" for r in roles]
    parts = [f"{o}={OPTIONS[o]}" for o in entry.options if not (o == "center" and own.roles)]
    call = ", ".join([*parts, f'chart="{chart}"'])
    return text(f"g = {name}({call})", [*lines, "t ∈ [0, 1]"], ", ".join(["t", *roles]))


def read(source: str) -> Problem:
    return pdesl.Problem.from_source(Source("metric.pde", source))


def numbers(metric: Metric, problem: Problem) -> np.ndarray:
    """g and its inverse at a point of the domain."""
    values: dict[Any, float] = dict(problem.parameter_values())
    for c in problem.coordinates:
        assert c.lower is not None
        assert c.upper is not None
        values[c.symbol] = 0.7 * float(c.lower) + 0.3 * float(c.upper)
    entries: Any = [*metric.matrix, *metric.inverse]
    function = make_function(entries, list(values), numpy_namespace())
    return np.array(function(*values.values()), dtype=float)


@pytest.mark.parametrize(("name", "chart"), CHARTS)
def test_by_name_as_a_line_element_and_as_a_matrix(name: str, chart: str) -> None:
    problem = read(named(name, chart))
    assert read(problem.to_pde()) == problem
    assert read(problem.to_pde("ascii")) == problem
    metric = metric_of(problem)
    assert metric is not None
    assert metric.density != 0
    assert not metric.density.has(sympy.Abs, sympy.sign, sympy.Piecewise)
    wanted = numbers(metric, problem)
    symbols = [c.symbol for c in problem.coordinates]
    steps = [sympy.Symbol(f"d{s.name}", real=True) for s in symbols]
    matrix: Any = metric.matrix
    size = range(len(symbols))
    form = sum(matrix[i, j] * steps[i] * steps[j] for i in size for j in size)
    u: Any = sympy.Function("u")(*symbols)
    for value in (form, sympy.Matrix(metric.matrix)):
        spelled = pdesl.Problem(
            parameters={"M": sympy.Rational(1, 2)},
            domain={c.symbol: pdesl.periodic(c.lower, c.upper) if c.periodic
                    else (c.lower, c.upper) for c in problem.coordinates},
            fields={u: "scalar"}, metric=value, equations=[sympy.Eq(marker("box")(u), 0)],
            boundary=[pdesl.on("∂Ω", sympy.Eq(u, 0))],
            initial=[sympy.Eq(u, 0), sympy.Eq(sympy.Derivative(u, symbols[0]), 0)],
        )  # fmt: skip
        found = metric_of(spelled)
        assert found is not None
        assert np.allclose(numbers(found, spelled), wanted, rtol=1e-9, atol=1e-9)
        assert read(spelled.to_pde()) == spelled


def test_a_line_element_with_mixed_terms_definitions_and_parameters() -> None:
    source = text(
        "ds² = -(1 - f) dt² + 2 sqrt(f) dt dr + dr² + r² (dθ² + sin(θ)² dφ²)",
        [f"{n} ∈ {RANGE[n]}" for n in ("r", "θ", "φ")] + ["t ∈ [0, 1]"], "t, r, θ, φ",
        let="f(r) = 2 M/r",
    )  # fmt: skip
    problem = read(source)
    metric = metric_of(problem)
    other = read(named("schwarzschild", "painleve_gullstrand_spherical"))
    wanted = metric_of(other)
    assert metric is not None
    assert wanted is not None
    assert np.allclose(numbers(metric, problem), numbers(wanted, other))


def test_a_metric_of_space_stands_beside_time() -> None:
    domain = ["θ ∈ [0.5, 2]", "φ ∈ periodic(0, 2 π)", "t ∈ [0, 1]"]
    forms = ("g = sphere(radius=2)", "ds² = 4 (dθ² + sin(θ)² dφ²)", "g = [[4, 0], [0, 4 sin(θ)²]]")
    rows = []
    for form in forms:
        for equation in ("□u = 0", "∂t²u = ∇²u"):
            problem = read(text(form, domain, "t, θ, φ", equation))
            assert read(problem.to_pde()) == problem
            system = normalise(problem)
            rows.append({t.jet.orders: t.coefficient
                         for t in (*system.rows[0].mass, *system.rows[0].linear)})  # fmt: skip
    for row in rows[1:]:
        assert set(row) == set(rows[0])
        sign = row[2, 0, 0] / rows[0][2, 0, 0]
        for orders, coefficient in row.items():
            gap = (coefficient - sign * rows[0][orders]).subs("θ", 1.3)
            assert abs(float(gap)) < 1e-12


def test_coordinates_in_another_order() -> None:
    names = ["a", "b", "c"]
    domain = ["a ∈ periodic(0, 2 π)", "b ∈ [3, 4]", "c ∈ [0.5, 2]", "t ∈ [0, 1]"]
    call = 'g = schwarzschild(mass=M, chart="kerr_schild_spherical", coordinates=[b, c, a])'
    problem = read(text(call, domain, "t, a, b, c"))
    metric = metric_of(problem)
    assert metric is not None
    a, b, c = (sympy.Symbol(n, real=True) for n in names)
    mass = sympy.Symbol("M", real=True)
    assert metric.matrix[0, 2] == 2 * mass / b
    assert metric.matrix[1, 1] == b**2 * sympy.sin(c) ** 2
    assert metric.matrix[3, 3] == b**2
    assert read(problem.to_pde()) == problem
    assert a not in metric.matrix.free_symbols


def test_ranges_of_a_region_count_as_assumptions() -> None:
    """A root of a square has the sign that the bounding box of the region proves."""
    source = text("ds² = dx² + sqrt(x²) dy²", ["x, y ∈ disk(center=(2, 0), radius=1)"], "x, y",
                  "∇²u = 1")  # fmt: skip
    metric = metric_of(read(source))
    x = sympy.Symbol("x", real=True)
    assert metric is not None
    assert metric.matrix[1, 1] == x
    assert metric.density == sympy.sqrt(x)


# -- what is wrong -------------------------------------------------------------------------

ROUND = ["r ∈ [3, 4]", "θ ∈ [0.5, 2]", "φ ∈ periodic(0, 2 π)", "t ∈ [0, 1]"]
SPHERICAL = "t, r, θ, φ"
WRONG = [
    ("g = kerr(mass=1)", ["x, y, z ∈ [1, 2]", "t ∈ [0, 1]"], "t, x, y, z", "E322", "spin"),
    ("g = kerr(mass=x, spin=0)", ["x, y, z ∈ [1, 2]", "t ∈ [0, 1]"], "t, x, y, z", "E322", "mass"),
    ('g = schwarzschild(mass=1, chart="round")', ROUND, SPHERICAL, "E322", "chart"),
    ('g = schwarzschild(mass=1, chart="spherical", center=(0, 0, 0))', ROUND, SPHERICAL, "E322",
     "center"),
    ("g = schwarzschild(mass=1, center=(0, 0))", ["x, y, z ∈ [3, 4]", "t ∈ [0, 1]"],
     "t, x, y, z", "E322", "point"),
    ('g = flrw(scale=x, chart="cartesian")', ["x ∈ [1, 2]", "t ∈ [1, 2]"], "t, x", "E322", "time"),
    ('g = flrw(scale=t, time="proper")', ["x ∈ [1, 2]", "t ∈ [1, 2]"], "t, x", "E322",
     "conformal"),
    ("g = anti_de_sitter(radius=-1)", ROUND, SPHERICAL, "E322", "greater than zero"),
    ('g = anti_de_sitter(chart="poincare")', ["x, z ∈ [-1, 1]", "t ∈ [0, 1]"], "t, x, z", "E338",
     "z"),
    ("g = minkowski", ["x ∈ [0, 1]"], "x", "E336", "time"),
    ('g = minkowski(chart="spherical")', [ROUND[1], ROUND[0], *ROUND[2:]], "t, θ, r, φ", "E336",
     "order"),
    ('g = minkowski(chart="spherical")', ["r ∈ [-1, 1]", *ROUND[1:]], SPHERICAL, "E338", "r ≥ 0"),
    ('g = minkowski(chart="spherical")', [*ROUND[:2], "φ ∈ [0, 7]", ROUND[3]], SPHERICAL, "E338",
     "once"),
    ('g = minkowski(chart="cylindrical")', ["r ∈ [1, 2]", "φ ∈ [0, 1]", "z ∈ [0, 1]", "t ∈ [0, 1]"],
     "t, r, φ, z", "", ""),
    ("ds² = -dt² + dx²", ["x, y ∈ [0, 1]", "t ∈ [0, 1]"], "t, x, y", "E335", "`y`"),
    ("g = [[1]]", ["x, y ∈ [0, 1]", "t ∈ [0, 1]"], "t, x, y", "E335", "3×3"),
    ("ds² = dx² + dx dy dz + dy² + dz²", ["x, y, z ∈ [0, 1]"], "x, y, z", "E322", "two"),
]  # fmt: skip


@pytest.mark.parametrize(("metric", "domain", "fields", "code", "words"), WRONG)
def test_mistakes(metric: str, domain: list[str], fields: str, code: str, words: str) -> None:
    equation = "□u = 0" if "t" in fields.split(", ") else "∇²u = 1"
    try:
        found = check(Source("wrong.pde", text(metric, domain, fields, equation))).diagnostics
    except ProblemError as error:
        found = error.diagnostics
    errors = [d for d in found if d.code[:2] in ("E3", "E4") or d.code == "E605"]
    if not code:
        assert not errors
        return
    assert [d.code for d in errors[:1]] == [code], [d.message for d in found]
    assert words in errors[0].message
    assert errors[0].span is not None
    assert errors[0].helps


# -- seeing it -----------------------------------------------------------------------------


# Charts in which a page holds every Christoffel symbol, and one that needs shared parts.
SHOWN = [(n, c) for n, c in CHARTS if METRICS[n].charts[c].roles or (n, c) == (
    "schwarzschild", "kerr_schild")]  # fmt: skip


@pytest.mark.parametrize(("name", "chart"), SHOWN)
def test_charts_can_be_shown(name: str, chart: str) -> None:
    source = Source("shown.pde", named(name, chart))
    found = show(source, "metric", "text")
    for title in ("metric", "inverse", "det g", "√|det g|", "Christoffel symbols"):
        assert title in found
    assert not any(word in found for word in ("Abs", "sign", "Piecewise", "**"))
    latex = show(source, "metric", "latex")
    assert latex.count(r"\begin{aligned}") == 1
    assert r"\det g" in latex
    assert latex.count("{") == latex.count("}")


def test_a_metric_shown() -> None:
    source = Source("sphere.pde", text("g = sphere(radius=2)", ["θ ∈ [0, π]", "φ ∈ [0, 1]"],
                                       "θ, φ", "∇²u = 1"))  # fmt: skip
    lines = show(source, "metric", "text").splitlines()
    for line in ("    g_{θθ} = 4", "    g^{φφ} = 1/(4*sin(θ)^2)", "    √|det g| = 4*sin(θ)",
                 "    Γ^θ_{φφ} = -sin(θ)*cos(θ)", "    Γ^φ_{θφ} = cos(θ)/sin(θ)"):  # fmt: skip
        assert line in lines
    latex = show(source, "metric", "latex")
    assert r"\Gamma^{\theta}_{\varphi \varphi} &= - \sin{\left(\theta \right)}" in latex
    assert isinstance(compile(source, "metric"), Metric)


def test_space_without_a_metric_is_flat() -> None:
    source = Source("flat.pde", "domain:\n    x ∈ [0, 1]\n    t ∈ [0, 1]\nfields:\n"
                    "    u(t, x) : scalar\nequations:\n    □u = 0\nboundary:\n    u = 0 on ∂Ω\n"
                    "initial:\n    u = 0\n    ∂t u = 0\n")  # fmt: skip
    found = show(source, "metric", "text")
    assert "the file states no metric" in found
    assert "    g_{tt} = -1" in found.splitlines()
    assert found.splitlines()[-1] == "    none"


def test_the_list_of_metrics() -> None:
    result = CliRunner().invoke(commands, ["list", "metrics"])
    assert result.exit_code == 0
    for name, entry in METRICS.items():
        assert f"\n{name} " in f"\n{result.output}"
        for chart in entry.charts:
            assert f'"{chart}"' in result.output
