"""Ladders and comparisons, through the command line on real problems."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from pdesl.run.cli import Status, commands
from pdesl.run.studies import observed_order

SMALL = (
    "--set", "solver.width=10", "--set", "solver.depth=2", "--set", "solver.iterations=60",
    "--set", "solver.nodes=300", "--set", "solver.order=3",
)  # fmt: skip

ROBIN = """
domain:
    x, y ∈ [0, 1]
fields:
    u(x, y) : scalar
    f(x, y) : source
equations:
    ∇²u - u = f
boundary:
    u = exact(u)    on ∂Ω
manufactured:
    u = exp(x) sin(y)
solver:
    method = rbf_fd(order=3)
verify:
    nodes = [200, 400, 800]
    order(u) ≥ 2.7
    linf(u) ≤ 1e-4
"""


def invoke(*arguments: str):
    return CliRunner().invoke(commands, arguments, prog_name="pdesl")


def test_observed_order_is_the_slope():
    spacings = [0.1, 0.05, 0.025]
    assert observed_order(spacings, [3 * h**4 for h in spacings]) == pytest.approx(4)


def test_verify_climbs_the_ladder_of_the_file(tmp_path: Path):
    file = tmp_path / "robin.pde"
    file.write_text(ROBIN, encoding="utf-8")
    result = invoke("verify", str(file), "-o", str(tmp_path / "out"), "-q")
    assert result.exit_code == Status.DONE, result.output
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text(encoding="utf-8"))
    assert [rung["value"] for rung in metrics["rungs"]] == [200, 400, 800]
    errors = [rung["errors"]["u"]["relative_l2"] for rung in metrics["rungs"]]
    assert errors[0] > errors[1] > errors[2]
    assert metrics["orders"]["u"] >= 2.7
    assert {b["quantity"]: b["met"] for b in metrics["bounds"]} == {
        "order(u)": True,
        "linf(u)": True,
    }
    assert "order(u) >= 2.7: met" in result.output
    assert (tmp_path / "out" / "convergence.png").stat().st_size > 10_000


def test_other_settings_of_verify_hold_on_every_rung(tmp_path: Path):
    file = tmp_path / "robin.pde"
    text = ROBIN.replace("rbf_fd(order=3)", "dt_pinn(order=3, width=8, depth=1, iterations=20)")
    text = text.replace(
        "    order(u) ≥ 2.7\n    linf(u) ≤ 1e-4\n", "    optimiser = lbfgs(history=7)\n"
    )
    file.write_text(text.replace("[200, 400, 800]", "[150, 200]"), encoding="utf-8")
    result = invoke("verify", str(file), "-o", str(tmp_path / "out"))
    assert result.exit_code == Status.DONE, result.output
    assert result.stderr.count("training") == 2
    file.write_text(text.replace("history=7", "history=0"), encoding="utf-8")
    assert invoke("verify", str(file), "-o", str(tmp_path / "out")).exit_code != Status.DONE


def test_a_missed_bound_is_a_status_of_its_own(tmp_path: Path):
    file = tmp_path / "robin.pde"
    file.write_text(ROBIN.replace("≥ 2.7", "≥ 9"), encoding="utf-8")
    result = invoke("verify", str(file), "-o", str(tmp_path / "out"), "-q")
    assert result.exit_code == Status.BOUND
    assert "order(u) >= 9: MISSED" in result.output


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (("manufactured:\n    u = exp(x) sin(y)\n", ""), "E516"),
        (("nodes = [200, 400, 800]", "nods = [200, 400]"), "E517"),
        (("nodes = [200, 400, 800]", "nodes = [200, 400]\n    order = [2, 3]"), "E517"),
    ],
)
def test_a_study_that_cannot_be_says_why(change: tuple[str, str], code: str, tmp_path: Path):
    text = ROBIN.replace(*change)
    if code == "E516":
        text = text.replace("    f(x, y) : source\n", "").replace("= f", "= 1")
        text = text.replace("exact(u)", "0").replace("    order(u) ≥ 2.7\n    linf(u) ≤ 1e-4\n", "")
    file = tmp_path / "robin.pde"
    file.write_text(text, encoding="utf-8")
    result = invoke("verify", str(file), "-o", str(tmp_path / "out"))
    assert result.exit_code == Status.WRONG_PROBLEM
    assert code in result.output
    assert not (tmp_path / "out").exists()


def test_compare_runs_each_method_in_a_process_of_its_own(tmp_path: Path):
    out = tmp_path / "out"
    result = invoke(
        "compare", "linear_poisson_disk", "--solvers", "dt_pinn,rbf_fd", "-o", str(out), *SMALL
    )
    assert result.exit_code == Status.DONE, result.output
    metrics = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
    runs = {run["solver"]: run for run in metrics["runs"]}
    assert list(runs) == ["dt_pinn", "rbf_fd"]
    for name, run in runs.items():
        assert run["peak_memory_mb"] > 50
        assert run["wall_s"] > (run["solve_s"] or 0.0)
        assert (out / name / "metrics.json").exists()
    assert runs["rbf_fd"]["errors"]["u"]["relative_l2"] < 1e-3
    assert (out / "comparison.png").stat().st_size > 10_000
    assert "rbf_fd" in result.output


def test_methods_are_compared_with_one_another_where_nothing_is_known(tmp_path: Path):
    path = tmp_path / "rod.pde"
    path.write_text(
        "domain:\n    x ∈ [0, 1]\n    t ∈ [0, 0.1]\nfields:\n    u(t, x) : scalar\n"
        "equations:\n    ∂t u = ∂x²u\nboundary:\n    u = 0    on ∂Ω\ninitial:\n    u = x (1 - x)\n"
    )
    out = tmp_path / "out"
    solvers = "dt_pinn,method_of_lines"
    result = invoke(
        "compare", str(path), "--solvers", solvers, "-o", str(out),
        "--set", "solver.width=10", "--set", "solver.iterations=100", "--set", "solver.nodes=60",
    )  # fmt: skip
    assert result.exit_code == Status.DONE, result.output
    assert "relative l2 differences to method_of_lines" in result.output
    runs = {r["solver"]: r for r in json.loads((out / "metrics.json").read_text())["runs"]}
    assert "difference" not in runs["method_of_lines"]
    assert runs["dt_pinn"]["difference"]["u"] < 0.2
    assert all(run["solve_s"] > 0 for run in runs.values())


def test_compare_names_an_unknown_method(tmp_path: Path):
    result = invoke(
        "compare", "linear_poisson_disk", "--solvers", "rbf_df", "-o", str(tmp_path / "o")
    )
    assert result.exit_code == Status.WRONG_PROBLEM
    assert "rbf_fd" in result.output
