"""Errors against a reference run, output at times, and errors over time."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from pdesl.diagnostics import Severity, Source
from pdesl.run.io import read_hdf5
from pdesl.run.known import coarser, known_solution
from pdesl.run.pipeline import check, run, solve
from pdesl.run.studies import verify
from pdesl.solvers.methods import method_named
from pdesl.symbolic.options import show_option
from pdesl.symbolic.problem import Choice

FISHER = """
domain:
    x ∈ [0, 1]
    t ∈ [0, 0.5]
fields:
    u(t, x) : scalar
equations:
    ∂t u = ∂x²u/10 + 3 u (1 - u)
boundary:
    ∂n u = 0    on ∂Ω
initial:
    u = (1 + cos(π x)) / 4
solver:
    method = method_of_lines(space=finite_difference(17), time=imex_rk3(dt=0.05))
verify:
    reference = method_of_lines(space=finite_difference(65, order=6), time=imex_rk4(dt=0.01))
    relative_l2(u) ≤ 1e-3
output:
    every 0.1: u -> "u.h5"
    at 0.25: u -> "u.csv"
"""


def test_a_reference_stands_for_the_solution(tmp_path: Path):
    report = run(Source("fisher.pde", FISHER), output=tmp_path)
    metrics = json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8"))
    error = metrics["errors"]["u"]
    assert error["against"].startswith("a reference run, method_of_lines")
    assert 0 < error["reference_error"] < error["relative_l2"] < 1e-3
    assert metrics["bounds"][0]["met"]
    assert any("its own error is below that" in line for line in report.lines)
    course = metrics["errors_over_time"]
    assert course["times"][0] == 0
    assert course["times"][-1] == 0.5
    assert max(course["u"]) < 1e-3
    assert course["u"][0] < 1e-5


def test_output_at_times_has_a_dimension_of_time(tmp_path: Path):
    xarray = pytest.importorskip("xarray")
    run(Source("fisher.pde", FISHER), output=tmp_path)
    with xarray.open_dataset(tmp_path / "u.h5", engine="h5netcdf") as data:
        assert data.u.dims == ("t", "node")
        assert np.allclose(data.t, np.arange(6) / 10)
        at_first = data.u.sel(t=0.0).values
        assert np.allclose(at_first, (1 + np.cos(np.pi * data.x)) / 4, atol=1e-5)
    again = read_hdf5(tmp_path / "u.h5")
    assert again.times is not None
    assert again.fields["u"].values.shape == (6, 17)
    with h5py.File(tmp_path / "solution.h5") as file:
        assert file["u"].shape == (17,)  # type: ignore[union-attr]
    lines = (tmp_path / "u.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("t,x,u")
    assert len(lines) == 1 + 17
    assert lines[1].startswith("0.25,")


def test_a_reference_that_is_too_rough_does_not_meet_a_bound():
    rough = FISHER.replace("finite_difference(65, order=6)", "finite_difference(9, order=2)")
    rough = rough.replace("imex_rk4(dt=0.01)", "imex_rk2(dt=0.1)")
    found = solve(Source("fisher.pde", rough))
    error = found.errors["u"]
    assert error.reference_error is not None
    assert error.reference_error > 1e-3


def test_a_ladder_of_steps_is_measured_by_the_reference(tmp_path: Path):
    text = FISHER.replace(
        "    relative_l2", "    dt = [0.1, 0.05, 0.025]\n    order(u) ≥ 2.5\n    relative_l2"
    )
    text = text.replace("finite_difference(17)", "finite_difference(33, order=6)")
    report = verify(Source("fisher.pde", text), output=tmp_path)
    assert report.met, report.lines
    assert report.metrics["option"] == "dt"


def test_coarser_runs_change_every_option_that_refines():
    from pdesl.run.preparing import make_ready
    from pdesl.run.progress import SilentObserver

    source = Source("fisher.pde", FISHER)
    task = make_ready(source, None, (), None, None, SilentObserver(), {}).task
    choice = Choice("method_of_lines", (("time", Choice("imex_rk4", (("dt", 0.01),))),))
    found = coarser(method_named("method_of_lines"), choice, task)
    text = show_option(found)
    assert "finite_difference(points=44" in text
    assert "dt=0.02" in text
    known = known_solution(task)
    assert known is not None
    assert known.errors["u"] < 1e-6


@pytest.mark.parametrize(
    ("reference", "code"),
    [
        ("rbf_fd(nodes=50)", "E619"),
        ("method_of_lines(space=fourier(8), time=sbdf2)", "E520"),
        ("method_of_line(space=fourier(8))", "E501"),
        ("method_of_lines(colour=3)", "E502"),
    ],
)
def test_a_reference_is_checked_with_the_file(reference: str, code: str):
    start, end = FISHER.index("    reference = "), FISHER.index("    relative_l2")
    text = f"{FISHER[:start]}    reference = {reference}\n{FISHER[end:]}"
    found = check(Source("fisher.pde", text)).diagnostics
    assert [d.code for d in found if d.severity is not Severity.WARNING] == [code]
