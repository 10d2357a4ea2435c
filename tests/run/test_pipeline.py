"""The stages strung together: profiles, methods in place of the file's, results and bounds."""

from pathlib import Path

import pytest

from pdesl.diagnostics import CapabilityError, ProblemError, Source
from pdesl.run.pipeline import STAGES, check, compile, load_source, run, show, solve
from pdesl.symbolic.problem import Problem

TEXT = """
domain:
    x, y ∈ [0, 1]
fields:
    u(x, y) : scalar
    f(x, y) : source
equations:
    ∇²u = f
boundary:
    u = exact(u)    on ∂Ω
manufactured:
    u = x³ y²
solver:
    method = rbf_fd(nodes=300, order=2)
verify:
    relative_l2(u) ≤ 1e-10
output:
    at end: u -> "u.csv"
profile "exact":
    solver.order = 4
"""


def test_a_profile_applies_and_overrides_come_after_it(tmp_path: Path):
    source = Source("cubic.pde", TEXT)
    plain = run(source, output=tmp_path / "a")
    chosen = run(source, output=tmp_path / "b", profile="exact")
    again = run(source, output=tmp_path / "c", profile="exact", overrides=["solver.order=2"])
    assert [r.metrics["settings"]["order"] for r in (plain, chosen, again)] == [2, 4, 2]  # type: ignore[index]
    # Order 4 reproduces this polynomial to rounding, order 2 does not.
    assert not plain.metrics["bounds"][0]["met"]  # type: ignore[index]
    assert chosen.metrics["bounds"][0]["met"]  # type: ignore[index]
    assert "MISSED" in " ".join(plain.lines)


def test_files_of_a_result_have_the_names_of_the_problem(tmp_path: Path):
    report = run(Source("cubic.pde", TEXT), output=tmp_path)
    names = {path.name for path in report.files}
    assert names == {"u.csv", "solution.h5", "cubic.png", "metrics.json"}
    assert set(report.metrics["files"]) == names - {"metrics.json"}  # type: ignore[arg-type]


def test_every_stage_shows_text_and_latex():
    source = load_source("heat_disk")
    for stage in STAGES:
        assert "u" in show(source, stage, "text")
    assert r"\nabla^{2}" in show(source, "problem", "latex")
    assert "aligned" in show(source, "system", "latex")
    with pytest.raises(ValueError, match="no stage"):
        compile(source, "object code")


def test_a_problem_compiles_as_its_text_does():
    problem = compile(load_source("poisson_ball"), "problem")
    assert isinstance(problem, Problem)
    assert compile(problem, "system").rows == compile(load_source("poisson_ball"), "system").rows


def test_two_runs_write_the_same_bytes(tmp_path: Path):
    first = run(Source("cubic.pde", TEXT), output=tmp_path / "a")
    second = run(Source("cubic.pde", TEXT), output=tmp_path / "b")
    digests = [r.metrics["files"]["solution.h5"]["sha256"] for r in (first, second)]  # type: ignore[index]
    assert digests[0] == digests[1]


def test_an_output_that_cannot_be_written_yet_is_refused_with_its_place():
    text = TEXT.replace("at end: u", "every 0.1: u")
    with pytest.raises(CapabilityError) as caught:
        run(Source("cubic.pde", text))
    assert {d.code for d in caught.value.diagnostics} == {"E620"}
    notes = [d for d in check(Source("cubic.pde", text)).diagnostics if d.code == "E620"]
    assert notes


def test_an_unknown_problem_is_guessed():
    with pytest.raises(ProblemError) as caught:
        load_source("nonlinear_poison_disk")
    assert "nonlinear_poisson_disk" in caught.value.diagnostics[0].helps[0]


def test_solving_in_memory_measures_the_error():
    solution = solve(Source("cubic.pde", TEXT), overrides=["solver.order=4"])
    assert solution.errors["u"].relative_l2 is not None
    assert solution.errors["u"].relative_l2 < 1e-10
    assert solution(0.5, 0.5) == pytest.approx(0.5**5)
