"""`pdesl new`, `sweep`, `completion`, `list`: what helps to begin and to vary a problem."""

import csv
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
from click.testing import CliRunner

from pdesl.diagnostics import (
    CapabilityError,
    Diagnostic,
    OutputError,
    PdeslError,
    ProblemError,
    Severity,
    SolverError,
    Source,
)
from pdesl.language.parser import parse_or_raise
from pdesl.run import pipeline
from pdesl.run.catalogue import KINDS, rows
from pdesl.run.cli import Status, commands
from pdesl.run.members import share_of_machine
from pdesl.run.pipeline import check, compile
from pdesl.run.sweeps import combinations, sweep
from pdesl.run.templates import TEMPLATES

ROOT = Path(__file__).parents[2]

SWEPT = """
parameters:
    κ = 1
domain:
    x ∈ [0, 1]
fields:
    u(x) : scalar
    f(x) : source
equations:
    κ ∂x²u = f
boundary:
    u = exact(u)    on ∂Ω
manufactured:
    u = sin(κ x)
solver:
    method = rbf_fd(nodes=30, order=4)
verify:
    linf(u) ≤ 1e-6
sweep:
    κ ∈ [1, 3]
    solver.order = [2, 4]
output:
    at end: u, max(u) -> "u.csv"
"""


def invoke(*arguments: str):
    return CliRunner().invoke(commands, list(arguments))


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_is_correct_canonical_and_for_its_method(name: str, tmp_path: Path):
    path = tmp_path / "start.pde"
    assert invoke("new", str(path), "-t", name).exit_code == Status.DONE
    assert path.read_text(encoding="utf-8") == TEMPLATES[name].text
    report = check(Source("start.pde", TEMPLATES[name].text))
    assert not [
        d for d in report.diagnostics if d.severity is not Severity.NOTE or d.code[0] == "E"
    ]
    assert invoke("fmt", "--check", str(path)).exit_code == Status.DONE
    plain = tmp_path / "plain"
    assert invoke("new", str(plain), "-t", name, "--ascii").exit_code == Status.DONE
    text = plain.with_suffix(".pde").read_text(encoding="utf-8")
    assert parse_or_raise(Source("a", text)) == parse_or_raise(Source("b", TEMPLATES[name].text))


def test_new_replaces_nothing_unless_told(tmp_path: Path):
    path = tmp_path / "mine.pde"
    path.write_text("mine", encoding="utf-8")
    result = invoke("new", str(path))
    assert result.exit_code == Status.WRONG_COMMAND
    assert "--force" in result.output
    assert path.read_text(encoding="utf-8") == "mine"
    assert invoke("new", str(path), "--force").exit_code == Status.DONE
    assert invoke("new", str(path), "-t", "nothing").exit_code == Status.WRONG_COMMAND
    found = json.loads(invoke("new", str(tmp_path / "b"), "--json").stdout)
    assert found["file"].endswith("b.pde")


def test_a_sweep_has_a_table_a_picture_and_a_result_for_each_run(tmp_path: Path):
    path = tmp_path / "swept.pde"
    path.write_text(SWEPT, encoding="utf-8")
    result = invoke("sweep", str(path), "-o", str(tmp_path / "out"), "--json", "--quiet")
    metrics = json.loads(result.stdout)
    assert [r["values"] for r in metrics["runs"]] == [
        {"κ": k, "solver.order": o} for k in ("1", "3") for o in ("2", "4")
    ]
    # Order 2 misses the bound where order 4 meets it.
    assert result.exit_code == Status.BOUND
    met = [all(b["met"] for b in r["bounds"]) for r in metrics["runs"]]
    assert met == [True, True, False, True]
    with (tmp_path / "out" / "sweep.csv").open(encoding="utf-8", newline="") as stream:
        table = list(csv.DictReader(stream))
    assert [float(row["max(u)"]) for row in table] == pytest.approx(
        [0.8414, 0.8414, 1, 1], abs=1e-2
    )
    assert all(float(r["linf(u)"]) > 0 for r in table)
    assert matplotlib.image.imread(tmp_path / "out" / "sweep.png").std() > 0.05
    for run in metrics["runs"]:
        own = json.loads((tmp_path / "out" / run["folder"] / "metrics.json").read_text("utf-8"))
        assert own["errors"]["u"]["linf"] == run["errors"]["u"]["linf"]
        assert own["settings"]["order"] == int(run["values"]["solver.order"])


def test_values_of_a_sweep_are_set_from_outside(tmp_path: Path):
    path = tmp_path / "swept.pde"
    path.write_text(SWEPT, encoding="utf-8")
    result = invoke("sweep", str(path), "-o", str(tmp_path / "out"), "-q", "--set", "sweep.κ=[2]")
    assert result.exit_code in (Status.DONE, Status.BOUND), result.output
    assert result.stdout.count("\n") == 3


def test_a_sweep_of_nothing_or_too_much_is_refused():
    text = SWEPT.partition("sweep:")[0]
    with pytest.raises(ProblemError) as caught:
        combinations(compile(Source("a.pde", text), "problem"))
    assert caught.value.diagnostics[0].code == "E523"
    many = ", ".join(map(str, range(1, 1002)))
    large = compile(Source("a.pde", SWEPT.replace("[1, 3]", f"[{many}]")), "problem")
    with pytest.raises(ProblemError, match="most are 1,000"):
        combinations(large)


@pytest.mark.parametrize("line", ["μ ∈ [1, 2]", "κ ∈ 3", "x ∈ [1, 2]"])
def test_a_line_that_is_no_sweep_has_its_place(line: str):
    text = SWEPT.replace("κ ∈ [1, 3]", line)
    with pytest.raises(ProblemError) as caught:
        compile(Source("a.pde", text), "problem")
    (found,) = [d for d in caught.value.diagnostics if d.code == "E523"]
    assert found.span is not None
    assert found.span.text == line


def _completed(*words: str) -> list[str]:
    """What a shell would offer for the last of some words."""
    environment = os.environ | {
        "_PDESL_COMPLETE": "bash_complete",
        "COMP_WORDS": " ".join(["pdesl", *words]),
        "COMP_CWORD": str(len(words)),
        "PYTHONPATH": str(ROOT),
    }
    result = subprocess.run(
        [sys.executable, "-m", "pdesl"], capture_output=True, text=True, env=environment, check=True
    )
    return [line.partition(",")[2] for line in result.stdout.splitlines()]


def test_a_shell_completes_commands_problems_methods_and_codes():
    assert "report" in _completed("rep")
    assert "nonlinear_poisson_disk" in _completed("run", "nonlin")
    assert _completed("run", "heat_disk", "--solver", "rbf") == ["rbf_fd"]
    assert "E201" in _completed("explain", "E20")
    assert _completed("new", "a.pde", "--template", "po") == ["poisson"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_scripts_of_shells(shell: str):
    result = invoke("completion", shell)
    assert result.exit_code == Status.DONE
    assert "_PDESL_COMPLETE" in result.stdout


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_listed_with_words(kind: str):
    found = rows(kind)
    assert found
    for name, words in found:
        assert name
        assert words, name


def test_one_entry_is_listed_with_its_options():
    result = invoke("list", "solvers", "rbf_fd", "--json")
    names = [entry["name"] for entry in json.loads(result.stdout)]
    assert names[0] == "rbf_fd"
    assert all(name.startswith("rbf_fd") for name in names)
    assert invoke("list", "solvers", "nothing").exit_code == Status.WRONG_COMMAND


def test_verbose_shows_options_and_seconds(tmp_path: Path):
    path = tmp_path / "one.pde"
    path.write_text(SWEPT, encoding="utf-8")
    result = invoke("run", str(path), "-o", str(tmp_path / "out"), "--verbose")
    assert result.exit_code == Status.DONE
    for words in ("option order = 4", "seconds solve", "count unknowns"):
        assert words in result.stdout


def test_a_sweep_in_processes_is_the_same(tmp_path: Path):
    path = tmp_path / "swept.pde"
    few = SWEPT.replace("[1, 3]", "[2, 1]").replace("solver.order = [2, 4]", "solver.order = [4]")
    path.write_text(few, encoding="utf-8")
    tables = []
    for processes in ("1", "2"):
        folder = tmp_path / processes
        result = invoke("sweep", str(path), "-o", str(folder), "-q", "--processes", processes)
        assert result.exit_code in (Status.DONE, Status.BOUND), result.output
        with (folder / "sweep.csv").open(encoding="utf-8", newline="") as stream:
            tables.append(
                [[float(v) for v in list(r.values())[:-1]] for r in csv.DictReader(stream)]
            )
        assert (folder / "run_02" / "metrics.json").exists()
    # Errors of 1e-9 are rounding errors in part, which the number of threads changes.
    assert np.allclose(tables[0], tables[1], rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize(
    "error",
    [
        ProblemError([Diagnostic("E501", "wrong", None, helps=("better",))]),
        CapabilityError([Diagnostic("E646", "beyond")]),
        SolverError("broken", code="E740", advice="less"),
        OutputError("full", code="E815"),
    ],
)
def test_errors_travel_between_processes(error: PdeslError):
    found = pickle.loads(pickle.dumps(error))
    assert type(found) is type(error)
    assert vars(found) == vars(error)


def test_members_of_a_sweep_have_devices_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    asked: list[int] = []

    def run(*_: object, devices: int, **__: object):
        asked.append(devices)
        raise SolverError("seen", code="E701")

    monkeypatch.setattr(pipeline, "run", run)
    with pytest.raises(SolverError, match="seen"):
        sweep(Source("swept.pde", SWEPT), output=tmp_path / "out", devices=3)
    assert asked == [3]


def test_processes_share_graphics_processors():
    assert share_of_machine(3, 4, []) == {}
    assert [share_of_machine(k, 2, ["0", "5"]) for k in range(2)] == [
        {"CUDA_VISIBLE_DEVICES": "0"}, {"CUDA_VISIBLE_DEVICES": "5"}
    ]  # fmt: skip
    pairs = [share_of_machine(k, 2, ["0", "1", "2", "3"], 2) for k in range(2)]
    assert pairs == [{"CUDA_VISIBLE_DEVICES": "0,1"}, {"CUDA_VISIBLE_DEVICES": "2,3"}]
    three = [share_of_machine(k, 3, ["0", "1"]) for k in range(3)]
    assert [own["CUDA_VISIBLE_DEVICES"] for own in three] == ["0", "1", "0"]
    assert {own["XLA_PYTHON_CLIENT_MEM_FRACTION"] for own in three} == {"0.450"}


def test_the_spectrum_of_a_wave_reaches_to_its_frequency_and_not_to_its_square(tmp_path: Path):
    file = tmp_path / "wave.pde"
    file.write_text(TEMPLATES["wave"].text, encoding="utf-8")
    result = CliRunner().invoke(commands, ["check", str(file)])
    (line,) = (line for line in result.output.splitlines() if "stiffness" in line)
    reach = float(line.split("about ")[1].split()[0])
    # The largest eigenvalue of ∂²/∂x² on 65 points of [0, 1] is near (2/h)² to (π/h)², h = 1/64.
    assert 2 * 64 <= reach <= 1.1 * np.pi * 64
