"""A verifying solution that knows some of the fields: errors are measured for these alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pdesl.diagnostics import ProblemError, Source
from pdesl.run.pipeline import compile, run
from pdesl.run.plots import pictures, read_result

TEXT = """
domain:
    x ∈ [0, 1]
    t ∈ [0, 0.1]
fields:
    u(t, x) : scalar
    w(t, x) : scalar
equations:
    ∂t u = ∂x²u
    ∂t w = ∂x²w + u²
boundary:
    u = 0    on ∂Ω
    w = 0    on ∂Ω
initial:
    u = exact(u)
    w = 0
solver:
    method = method_of_lines(space=finite_difference(15))
verify:
    u = exp(-π² t) sin(π x)
    relative_l2(u) ≤ 1e-3
output:
    at end: u, w -> "u.h5"
"""


def test_errors_are_those_of_the_known_fields(tmp_path: Path):
    run(Source("pair.pde", TEXT), output=tmp_path)
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert set(metrics["errors"]) == {"u"}
    assert metrics["errors"]["u"]["relative_l2"] < 1e-3
    assert set(metrics["errors_over_time"]) == {"times", "u"}
    assert {"u", "w"} <= set(pictures(read_result(tmp_path)))


@pytest.mark.parametrize(
    "change",
    [("relative_l2(u)", "relative_l2(w)"), ("    w = 0\nsolver", "    w = exact(w)\nsolver")],
)
def test_what_needs_an_unknown_solution_says_so(change: tuple[str, str]):
    with pytest.raises(ProblemError) as caught:
        compile(Source("pair.pde", TEXT.replace(*change)))
    (found,) = caught.value.diagnostics
    assert (found.code, found.message) == ("E314", "the known solution has no value for `w`")


def test_a_known_field_is_still_checked_against_its_equation():
    wrong = TEXT.replace("exp(-π² t)", "exp(-9 t)")
    with pytest.raises(ProblemError) as caught:
        run(Source("pair.pde", wrong))
    assert [d.code for d in caught.value.diagnostics] == ["E408"]
