"""Conditions against equations, against the boundary, and against one another."""

from __future__ import annotations

import numpy as np
import pytest

from pdesl.diagnostics import Source
from pdesl.ir.facts import verify
from pdesl.ir.samples import boundary_sample, interior_sample
from pdesl.run import pipeline
from pdesl.symbolic.geometry import Annulus, Ball, Box, Difference, Disk, Interval, Region, Union

HEAT = """\
domain:
    x ∈ [0, 1]
    t ∈ [{start}, 2]

fields:
    u(t, x) : scalar

equations:
    ∂t u = ∂x²u

boundary:
    {left}    on left
    {right}    on right

initial:
    u = {initial}
"""


def codes(text: str) -> list[str]:
    return [d.code for d in verify(pipeline.compile(Source("conditions.pde", text)))]


@pytest.mark.parametrize(
    ("initial", "left", "right", "expected"),
    [
        ("sin(π x)", "u = 0", "u = 0", []),
        ("cos(π x)", "u = 0", "u = -1", ["W920"]),
        ("cos(π x)", "∂n u = 0", "∂n u = 0", []),
        ("sin(π x)", "∂n u = 0", "u = 0", ["W920"]),
        ("sin(π x)", "∂n u + π u = -π", "u = 0", []),
        # A tail that is small against the initial data is no disagreement.
        ("exp(-40 (x - 1/2)²)", "u = 0", "u = 0", []),
        ("exp(-9 (x - 1/2)²)", "u = 0", "u = 0", ["W920", "W920"]),
        # Data that change in time are taken at the start.
        ("x", "u = t", "u = 1 + t", []),
        ("x", "u = t", "u = cos(t)", []),
        ("x", "u = sin(t)", "u = 2 - t", ["W920"]),
        ("0", "u³ = 0", "u² + ∂x u = 0", []),
    ],
)
def test_initial_and_boundary_data(initial: str, left: str, right: str, expected: list[str]):
    assert codes(HEAT.format(start=0, initial=initial, left=left, right=right)) == expected


def test_the_start_need_not_be_zero():
    assert codes(HEAT.format(start=1, initial="x", left="u = t", right="u = 2")) == ["W920", "W920"]
    assert codes(HEAT.format(start=1, initial="x", left="u = t - 1", right="u = t")) == []


PLANE = """\
domain:
    x, y ∈ {domain}

fields:
    {fields}

equations:
    {equations}

boundary:
    {boundary}
"""


@pytest.mark.parametrize(
    ("domain", "fields", "equations", "boundary", "expected"),
    [
        ("[0, 1]", "u(x, y) : scalar", "∇²u = 0", "u = 0 on ∂Ω", []),
        ("[0, 1]", "u(x, y) : scalar", "∇²u = 0", "u = 0 on x < 1/2", ["E404"]),
        ("[0, 1]", "u(x, y) : scalar", "∇²u = 0", "u = 0 on x ≤ 1/2\n    u = 1 on x > 1/2", []),
        ("[0, 1]", "u(x, y) : scalar", "∇²u = 0", "u = 0 on ∂Ω\n    u = 1 on top", ["E405"]),
        ("[0, 1]", "u(x, y) : scalar", "∇²(∇²u) = 0", "u = 0 on ∂Ω\n    ∂n u = 0 on ∂Ω", []),
        ("[0, 1]", "u(x, y) : scalar", "∇²(∇²u) = 0", "u = 0 on ∂Ω", ["E404"]),
        # Transport takes a condition where it flows in, and says nothing of the rest.
        ("[0, 1]", "u(x, y) : scalar", "∂x u + ∂y u = 0", "u = 0 on left, bottom", []),
        ("[0, 1]", "u(x, y) : scalar", "∂x u = 0", "∂x u = 0 on left", ["E409"]),
        ("[0, 1]", "u(x, y) : scalar", "∇²u = 0", "∇²u = 0 on ∂Ω", ["E409"]),
        # Coupled conditions serve one field each.
        ("[0, 1]", "u(x, y), w(x, y) : scalar", "∇²u = w\n    ∇²w = u",
         "u + w = 0 on ∂Ω\n    u - w = 0 on ∂Ω", []),
        ("[0, 1]", "u(x, y), w(x, y) : scalar", "∇²u = w\n    ∇²w = u", "u + w = 0 on ∂Ω",
         ["E404"]),
        ("periodic(0, 1)", "u(x, y) : scalar", "∇²u = u", "u = 0 on ∂Ω", ["E424"]),
        ("annulus(inner=1, outer=2)", "u(x, y) : scalar", "∇²u = 0", "u = 0 on inner", ["E404"]),
        ("annulus(inner=1, outer=2)", "u(x, y) : scalar", "∇²u = 0",
         "u = 0 on inner\n    u = 1 on outer", []),
        ("annulus(inner=1, outer=2)", "u(x, y) : scalar", "∇²u = 0",
         "u = 0 on inner\n    u = 1 on x² + y² > 2", []),
        ("[0, 1]", "u(x, y) : scalar", "∇²u = 0", "u = 0 on x = 3", ["E407"]),
    ],
)  # fmt: skip
def test_boundary_conditions(
    domain: str, fields: str, equations: str, boundary: str, expected: list[str]
):
    text = PLANE.format(domain=domain, fields=fields, equations=equations, boundary=boundary)
    assert codes(text) == expected


def test_a_known_solution_that_vanishes_on_the_boundary_is_right():
    text = PLANE.format(
        domain="annulus(inner=1, outer=2)", fields="u(x, y) : scalar", equations="∇²u = 0",
        boundary="u = 0 on inner\n    u = log(2) on outer",
    )  # fmt: skip
    good = text + "\nmanufactured:\n    u = log(x² + y²)/2\n"
    assert codes(good) == []
    assert codes(good.replace("log(2) on", "log(3) on")) == ["E408"]
    assert codes(good.replace("∇²u = 0", "∇²u = 1")) == ["E408"]


def test_values_that_are_not_finite():
    text = PLANE.format(
        domain="[-1, 1]", fields="u(x, y) : scalar", equations="∇²u = u/sqrt(x)",
        boundary="u = 0 on ∂Ω",
    )  # fmt: skip
    assert codes(text) == ["E326"]
    assert codes(text.replace("sqrt(x)", "sqrt(x + 2)")) == []


@pytest.mark.parametrize(
    "region",
    [
        Interval(0.0, 1.0), Box((0.0, 0.0), (1.0, 2.0)), Box((0.0,) * 20, (1.0,) * 20),
        Box((0.0, 0.0), (1.0, 1.0), (True, False)), Disk((1.0, 0.0), 0.5), Ball((0.0,) * 6, 2.0),
        Annulus((0.0, 0.0, 0.0), 1.0, 2.0), Difference((Box((0.0,) * 3, (2.0,) * 3),
                                                        Ball((1.0,) * 3, 0.5))),
        Union((Disk((0.0, 0.0), 1.0), Disk((1.0, 0.0), 1.0))),
    ],
    ids=lambda region: f"{type(region).__name__}{region.dimension}",
)  # fmt: skip
def test_samples_lie_where_they_belong(region: Region):
    sample, inside = boundary_sample(region), interior_sample(region)
    assert set(sample.part) == set(range(len(region.part_names)))
    np.testing.assert_allclose(region.level(sample.points), 0.0, atol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(sample.normals, axis=1), 1.0, rtol=1e-12)
    step = 1e-5 * region.size
    assert not region.contains(sample.points + step * sample.normals).any()
    assert region.contains(sample.points - step * sample.normals).all()
    assert len(inside) == 200
    assert region.contains(inside.points).all()
