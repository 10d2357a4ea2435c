"""The table of methods agrees with the methods: options, sizes, optimisers."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from pdesl.diagnostics import ProblemError, Severity, SolverError, Source
from pdesl.run import pipeline
from pdesl.run.pipeline import check
from pdesl.solvers.binding import bind_options
from pdesl.solvers.methods import METHODS, choose_method, size_mistakes
from pdesl.solvers.options import OPTIMISER_NAMES, OPTIMISER_OPTIONS
from pdesl.symbolic.problem import Choice

EXAMPLES = Path(__file__).parents[1] / "language" / "examples"


def test_optimisers_have_the_options_that_a_file_may_give():
    from pdesl.solvers.training import OPTIMISERS

    assert set(OPTIMISER_NAMES) == set(OPTIMISERS)
    for name, optimiser in OPTIMISERS.items():
        own = {f.name: (f.type, f.default) for f in dataclasses.fields(optimiser)}
        told = {f.name: (f.type, f.default) for f in dataclasses.fields(OPTIMISER_OPTIONS[name])}
        assert told == own


def problem(dimension: int, laplacians: str, **options: int) -> Source:
    names = ", ".join(("x", "y", "z")[:dimension])
    conditions = ["u = 0", "∂n u = 0"][: 2 if "∇²(" in laplacians else 1]
    given = ", ".join(f"{k}={v}" for k, v in options.items())
    lines = [
        "domain:", f"    {names} ∈ [0, 1]", "fields:", f"    u({names}) : scalar", "equations:",
        f"    {laplacians} = 1", "boundary:", *(f"    {c} on ∂Ω" for c in conditions), "solver:",
        f"    method = dt_pinn({given})",
    ]  # fmt: skip
    return Source("sizes.pde", "\n".join(lines) + "\n")


@pytest.mark.parametrize("dimension", [1, 2, 3])
@pytest.mark.parametrize(("laplacians", "theta"), [("∇²u", 2), ("∇²(∇²u)", 4)])
@pytest.mark.parametrize("order", [2, 4])
def test_a_single_stencil_fits_or_not(dimension: int, laplacians: str, theta: int, order: int):
    """The least number of nodes is the one that making the stencils asks for."""
    from pdesl.lowering.rbffd import make_weights

    source = problem(dimension, laplacians, nodes=4, order=order)
    (found,) = check(source).diagnostics
    assert found.code == "E514"
    least = int(found.message.split(" needs ")[1].split()[0])
    operator = {(theta, *(0,) * (dimension - 1)): 1.0}
    points = np.random.default_rng(0).uniform(size=(least, dimension))
    with pytest.raises(SolverError, match=f"at least {least} nodes"):
        make_weights(points[1:], points[:1], [operator], order=order)
    system = pipeline.compile(source)
    method, choice = choose_method(system.problem)
    enough = Choice(method.name, (("nodes", least), ("order", order)))
    assert size_mistakes(method, system, choice, bind_options(method, enough, {})) == ()


@pytest.mark.parametrize("name", METHODS)
def test_defaults_of_every_method_are_allowed(name: str):
    bind_options(METHODS[name], Choice(name), {})


@pytest.mark.parametrize(
    ("options", "codes"),
    [
        ((("optimiser", Choice("adam", (("beta1", 1.0),))),), ["E504"]),
        ((("optimiser", Choice("adam", (("learning_rate", -1),))), ("width", 0)), ["E504", "E504"]),
        ((("optimiser", Choice("lbfgs", (("memory", 3),))), ("wide", 3)), ["E502", "E502"]),
        ((("optimiser", "newton"),), ["E515"]),
        ((("optimiser", 3),), ["E503"]),
    ],
)
def test_wrong_options_of_optimisers_come_together(options: tuple, codes: list[str]):
    with pytest.raises(ProblemError) as caught:
        bind_options(METHODS["pinn"], Choice("pinn", options), {})
    assert [d.code for d in caught.value.diagnostics] == codes


@pytest.mark.parametrize(
    ("old", "new", "codes"),
    [
        ("", "", []),
        ("1.2e-5 [m²/s]", "1.2e-5 [m/s]", ["E307"]),
        ("60 [s]", "60 [m]", ["E307"]),
        ("scalar [K]", "scalar [m]", ["E307"]),
        ("exp(-t/t_end)", "exp(-t)", ["E307"]),
        ("5 [K] sin", "5 sin", ["E307"]),
        ("0.1 [m]", "0.1 [mm²]", ["E307"]),
        ("0.1 [m]", "0.1 [meters per second]", ["E332"]),
    ],
)
def test_units_are_followed(old: str, new: str, codes: list[str]):
    text = (EXAMPLES / "sketch_heat_mms.pde").read_text(encoding="utf-8")
    assert old in text
    try:
        found = check(Source("heat.pde", text.replace(old, new, 1))).diagnostics
    except ProblemError as error:
        found = error.diagnostics
    errors = [d.code for d in found if d.severity is Severity.ERROR]
    assert sorted(set(errors)) == codes


POISSON = """
domain:
    {domain}
fields:
    u({names}) : scalar
equations:
    {equation}
boundary:
    {boundary}
"""


@pytest.mark.parametrize(
    ("domain", "equation", "boundary", "expected"),
    [
        ("x, y ∈ [0, 1]", "∇²u = 1", "u = 0 on ∂Ω", "rbf_fd"),
        ("x ∈ [0, 1]\n    t ∈ [0, 1]", "∂t u = ∇²u", "u = 0 on ∂Ω", "method_of_lines"),
        # Not to be stepped: the condition holds a time derivative.
        ("x ∈ [0, 1]\n    t ∈ [0, 1]", "∂t u = ∇²u", "∂n u + ∂t u = 0 on ∂Ω", "dt_pinn"),
        ("x, y, z, w ∈ [0, 1]", "∇²u = 1", "u = 0 on ∂Ω", "pinn"),
    ],
)
def test_a_file_without_a_method_gets_the_most_trusted_that_can(
    domain: str, equation: str, boundary: str, expected: str
):
    names = "x, y, z, w" if "w" in domain else "x, y" if "y" in domain else "t, x"
    text = POISSON.format(domain=domain, names=names, equation=equation, boundary=boundary)
    if "t" in names:
        text += "initial:\n    u = 0\n"
    system = pipeline.compile(Source("test.pde", text))
    assert choose_method(system.problem, system)[0].name == expected


def test_an_option_of_one_method_alone_chooses_it():
    text = POISSON.format(
        domain="x, y ∈ [0, 1]", names="x, y", equation="∇²u = 1", boundary="u = 0 on ∂Ω"
    )
    system = pipeline.compile(Source("test.pde", text + "solver:\n    width = 20\n"))
    assert choose_method(system.problem, system)[0].name == "dt_pinn"
