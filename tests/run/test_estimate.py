"""The error of a direct solution that nothing is known to compare with."""

import json
from pathlib import Path

import numpy as np
import pytest

from pdesl.diagnostics import Source
from pdesl.run import estimate as module
from pdesl.run.estimate import estimate_errors
from pdesl.run.pipeline import RunReport, run

# Δ(sin πx sin πy) = −2π² sin πx sin πy; the file does not say so.
POISSON = """
domain:
    x, y ∈ [0, 1]
fields:
    u(x, y) : scalar
equations:
    ∇²u = -2 π² sin(π x) sin(π y)
boundary:
    u = 0    on ∂Ω
solver:
    method = rbf_fd(nodes={nodes}, order=3)
output:
    at end: u -> "u.npz"
"""

HEAT = """
domain:
    x ∈ [0, π]
    t ∈ [0, 1]
fields:
    u(t, x) : scalar
equations:
    ∂t u = ∂x²u
boundary:
    u = 0    on ∂Ω
initial:
    u = sin(x)
solver:
    method = method_of_lines(space=finite_difference(41, order=2), time=crank_nicolson(dt=0.02))
output:
    at end: u -> "u.npz"
"""


def solved(text: str, folder: Path) -> RunReport:
    return run(Source("test.pde", text), output=folder)


def estimated(report: RunReport) -> float:
    stored = json.loads((report.folder / "metrics.json").read_text())["estimated_errors"]
    assert any(stored["how"] in line for line in report.lines)
    return stored["relative_l2"]["u"]


def true_error(folder: Path, name: str, exact) -> float:
    data = np.load(folder / name)
    values, truth = data["u"].ravel(), exact(data).ravel()
    return float(np.linalg.norm(values - truth) / np.linalg.norm(truth))


@pytest.mark.parametrize("nodes", [300, 1200])
def test_a_steady_estimate_bounds_the_error_closely(nodes: int, tmp_path: Path):
    report = solved(POISSON.format(nodes=nodes), tmp_path / "out")
    error = true_error(
        tmp_path / "out", "u.npz", lambda d: np.sin(np.pi * d["x"]) * np.sin(np.pi * d["y"])
    )
    assert error < estimated(report) < 30 * error


def test_an_estimate_in_time_bounds_the_error_closely(tmp_path: Path):
    report = solved(HEAT, tmp_path / "out")
    error = true_error(tmp_path / "out", "u.npz", lambda d: np.exp(-1.0) * np.sin(d["x"]))
    assert error / 3 < estimated(report) < 30 * error


def test_a_coarser_run_that_fails_costs_the_estimate_alone(tmp_path: Path):
    text = POISSON.format(nodes=60).replace("order=3", "order=4, ghost=false")
    report = solved(text, tmp_path / "out")
    assert (tmp_path / "out" / "u.npz").exists()
    assert any("no estimate of the error: a run with nodes=30 failed" in x for x in report.lines)


def test_an_interrupted_estimate_leaves_the_solution(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "solve_again", interrupt)
    report = solved(POISSON.format(nodes=300), tmp_path / "out")
    assert (tmp_path / "out" / "u.npz").exists()
    assert report.lines[-1] == "no estimate of the error: interrupted"


def test_a_known_solution_needs_no_estimate(tmp_path: Path):
    text = POISSON.format(nodes=300) + "verify:\n    u = sin(π x) sin(π y)\n"
    report = solved(text, tmp_path / "out")
    assert "estimated_errors" not in json.loads((report.folder / "metrics.json").read_text())
    assert estimate_errors.__name__ not in " ".join(report.lines)
