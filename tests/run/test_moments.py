"""Output after steps and on conditions, and `stop`: at times that the solution tells."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from pdesl.diagnostics import CapabilityError, Source
from pdesl.run.pipeline import check, run, solve
from pdesl.symbolic.elaborate import elaborate_source

GROWTH = """
domain:
    x ∈ [0, 1]
    t ∈ [0, 1]
fields:
    u(t, x) : scalar
equations:
    ∂t u = 0.01 ∂x²u + 4 u
boundary:
    ∂n u = 0    on ∂Ω
initial:
    u = 1
solver:
    method = method_of_lines(space=finite_difference(9), time=imex_rk4(rtol=1e-8))
output:
    every 3 steps: u, mean(u) -> "steps.h5"
    when max(u) > 5: u -> "high.h5"
    when u(x=0.5) ≥ 7: mean(u) -> "probe.csv"
    when ∫((∂x u)²) > 1: u -> "never.h5"
    at 0.1: u -> "at.h5"
    when mean(u) > 10: stop
"""
RISE = """
domain:
    t ∈ [0, 2]
fields:
    y(t) : scalar
equations:
    ∂t y = y²
initial:
    y = 1
solver:
    method = method_of_lines
output:
    when y > 20: stop
    when y > 2: y -> "y.csv"
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("growth")
    report = run(Source("growth.pde", GROWTH), output=place)
    assert not report.stopped  # a condition of the file is no failure
    assert "never.h5 is not written: its condition was never true" in report.lines
    return place


def values(folder: Path, name: str) -> tuple[np.ndarray, np.ndarray]:
    with h5py.File(folder / name) as file:
        return np.asarray(file["t"][:]), np.asarray(file["u"][:])  # type: ignore[index]


def test_a_condition_becomes_true_when_the_solution_says_so(folder: Path):
    times, u = values(folder, "high.h5")
    assert times == pytest.approx([np.log(5.0) / 4.0], abs=1e-6)
    assert u == pytest.approx(np.full((1, 9), 5.0), rel=1e-6)
    assert not (folder / "never.h5").exists()


def test_a_probe_in_a_condition(folder: Path):
    time, mean = np.loadtxt(folder / "probe.csv", delimiter=",", skiprows=1)
    assert time == pytest.approx(np.log(7.0) / 4.0, abs=1e-6)
    assert mean == pytest.approx(7.0, rel=1e-6)


def test_every_third_step_is_written_and_none_after_the_end(folder: Path):
    times, u = values(folder, "steps.h5")
    with h5py.File(folder / "solution.h5") as file:
        steps = np.asarray(file["history/time"][:])  # type: ignore[index]
    wanted = np.concatenate([[0.0], steps])[::3]
    last = np.log(10.0) / 4.0
    assert times == pytest.approx(wanted[wanted < last])
    assert u[:, 0] == pytest.approx(np.exp(4.0 * times), rel=1e-6)


def test_stop_ends_the_run_where_its_condition_becomes_true(folder: Path):
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["reached"] == pytest.approx(np.log(10.0) / 4.0, abs=1e-6)
    assert metrics["stop_reason"].startswith("mean(u) > 10 at t = 0.5756")
    times, _ = values(folder, "at.h5")
    assert times == pytest.approx([0.1, metrics["reached"]])


def test_stop_comes_before_a_blow_up():
    solution = solve(Source("rise.pde", RISE))
    assert solution.result.reached == pytest.approx(1.0 - 1.0 / 20.0, abs=1e-4)
    assert solution(0.5) == pytest.approx(2.0, rel=1e-4)


def test_a_condition_that_holds_from_the_start_is_written_there(tmp_path: Path):
    text = RISE.replace("y > 2: y", "y < 3: y")
    run(Source("rise.pde", text), output=tmp_path)
    assert np.loadtxt(tmp_path / "y.csv", delimiter=",", skiprows=1)[0] == 0.0


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ('when u > 5: u -> "u.h5"', "differs from place to place"),
        ('when max(u) = 5: u -> "u.h5"', "needs an inequality"),
        ('every 0 steps: u -> "u.h5"', "no number of steps"),
        ("at 0.5: stop", "stops on a condition"),
    ],
)
def test_what_cannot_be_is_refused(rule: str, words: str):
    text = GROWTH.split("    every 3")[0] + f"    {rule}\n"
    (note,) = (d for d in check(Source("growth.pde", text)).diagnostics if d.code == "E620")
    assert words in note.message
    with pytest.raises(CapabilityError):
        run(Source("growth.pde", text))


def test_rules_are_printed_as_they_are_read():
    problem = elaborate_source(Source("growth.pde", GROWTH))
    again = elaborate_source(Source("growth.pde", problem.to_pde()))
    assert again.output == problem.output


def test_networks_that_move_stop_too():
    text = GROWTH.split("solver:")[0] + (
        "solver:\n    method = neural_ivp(width=8, depth=1, samples=100, frequencies=0)\n"
        "output:\n    when max(u) > 1.5: stop\n"
    )
    solution = solve(Source("growth.pde", text))
    assert solution.result.reached == pytest.approx(np.log(1.5) / 4.0, rel=1e-2)
    assert solution.result.counts["iterations"] < 40
