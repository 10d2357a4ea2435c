"""The command line over a pipeline that does what the test says: statuses, streams, JSON."""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result

import pdesl.run
from pdesl.codes import CODES
from pdesl.diagnostics import (
    CapabilityError,
    Diagnostic,
    OutputError,
    PdeslError,
    ProblemError,
    Severity,
    SolverError,
    Source,
    Span,
)
from pdesl.run import accelerator
from pdesl.run.cli import Status, commands
from pdesl.run.progress import stage

TEXT = "domain:\n    x in [0, 1]\nequations:\n    lap(w) = 1\n"
SOURCE = Source("heat.pde", TEXT)
MISTAKE = Diagnostic(
    "E201",
    "there is no field `w`",
    Span(SOURCE, TEXT.index("w"), TEXT.index("w") + 1),
    label="unknown name",
    helps=("did you mean `u`?",),
)
WARNING = Diagnostic("W901", "`κ` is never used", severity=Severity.WARNING)


def _raise(error: BaseException) -> Any:
    raise error


@dataclass
class Pipeline:
    """A stand-in for `pdesl.run.pipeline`; `calls` records what it was asked."""

    calls: list[tuple[str, Any]] = field(default_factory=list)
    diagnostics: tuple[Diagnostic, ...] = ()
    action: Callable[[], None] = lambda: None
    STAGES: tuple[str, ...] = ("module", "problem", "system")

    def load_source(self, name: str) -> Source:
        if name == "nowhere":
            raise ProblemError([Diagnostic("E801", "there is no problem `nowhere`")])
        path = Path(name)
        return Source(name, path.read_text(encoding="utf-8") if path.exists() else TEXT)

    def check(
        self, source: Source, overrides: tuple[str, ...], profile: str | None = None, *,
        memory: float | None = None, devices: int = 1,
    ) -> Any:  # fmt: skip
        del memory, devices
        self.calls.append(("check", (source.name, overrides)))
        self.action()
        return SimpleNamespace(diagnostics=self.diagnostics, summary=("steady", "second order"))

    def show(self, source: Source, stage: str, form: str) -> str:
        self.calls.append(("show", (source.name, stage, form)))
        return f"{stage} as {form}"

    def run(self, source: Source, **options: Any) -> Any:
        observer = options.pop("observer")
        self.calls.append(("run", (source.name, options)))
        with stage(observer, "nodes") as note:
            note.text = "1,663 nodes"
            self.action()
        return SimpleNamespace(
            folder=Path("out"),
            metrics={"seed": 3, "losses": {"total": float("nan")}},
            files=(Path("out/solution.h5"),),
            lines=("relative l2 error of u: 1.0e-05", "measured on 20,000 points"),
            interrupted=False,
            stopped=False,
        )


@pytest.fixture
def pipeline(monkeypatch: pytest.MonkeyPatch) -> Pipeline:
    fake = Pipeline()
    monkeypatch.setitem(sys.modules, "pdesl.run.pipeline", fake)  # type: ignore[arg-type]
    monkeypatch.setattr(pdesl.run, "pipeline", fake, raising=False)
    monkeypatch.setattr(accelerator, "configure_jax", lambda **_: None)
    monkeypatch.delenv("PDESL_TRACEBACK", raising=False)
    return fake


def invoke(*arguments: str, **options: Any) -> Result:
    return CliRunner().invoke(commands, arguments, prog_name="pdesl", **options)


def test_run_passes_every_option(pipeline: Pipeline):
    result = invoke(
        "run", "heat.pde", "-o", "out", "--solver", "pinn", "--set", "solver.order=5",
        "--set", "parameters.κ=2", "--profile", "quick", "--seed", "3", "--devices", "4",
    )  # fmt: skip
    assert result.exit_code == Status.DONE, result.stderr
    name, options = pipeline.calls[0][1]
    assert name == "heat.pde"
    assert options == {
        "output": Path("out"),
        "solver": "pinn",
        "overrides": ("solver.order=5", "parameters.κ=2"),
        "profile": "quick",
        "seed": 3,
        "resume": False,
        "devices": 4,
        "writes": True,
        "memory": None,
    }
    assert result.stderr.startswith("nodes: 0.00 s (1,663 nodes)")
    assert result.stdout.splitlines() == [
        "wrote out/solution.h5",
        "relative l2 error of u: 1.0e-05",
        "measured on 20,000 points",
    ]


def test_run_quietly(pipeline: Pipeline):
    result = invoke("run", "heat.pde", "--quiet")
    assert result.stderr == ""
    assert len(result.stdout.splitlines()) == 2
    assert pipeline.calls[0][1][1]["output"] is None


def test_run_in_json(pipeline: Pipeline):
    result = invoke("run", "heat.pde", "--json")
    assert json.loads(result.stdout) == {"seed": 3, "losses": {"total": None}}
    assert "nodes" in result.stderr


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ProblemError([MISTAKE]), Status.WRONG_PROBLEM),
        (CapabilityError([Diagnostic("E601", "too much")]), Status.CAPABILITY),
        (SolverError("the loss is not a number", advice="take float64"), Status.NUMERICS),
        (OutputError("the disk is full", code="E815"), Status.OUTPUT),
        (MemoryError(), Status.NUMERICS),
        (RuntimeError("RESOURCE_EXHAUSTED: out of memory"), Status.NUMERICS),
        (KeyboardInterrupt(), Status.INTERRUPTED),
        (ZeroDivisionError("division by zero"), Status.DEFECT),
    ],
)
def test_statuses(pipeline: Pipeline, error: BaseException, status: Status):
    pipeline.action = lambda: _raise(error)
    result = invoke("run", "heat.pde")
    assert result.exit_code == status
    assert result.stdout == ""
    assert "Traceback" not in result.output
    assert result.stderr.strip()


def test_a_geometry_error_is_a_wrong_problem(pipeline: Pipeline):
    class GeometryError(PdeslError):
        code, message, help = "E401", "the region is empty", "enlarge it"

    pipeline.action = lambda: _raise(GeometryError("the region is empty"))
    result = invoke("run", "heat.pde", "--quiet")
    assert result.exit_code == Status.WRONG_PROBLEM
    assert result.stderr == "error[E401]: the region is empty\n   = help: enlarge it\n"


def test_errors_in_json(pipeline: Pipeline):
    pipeline.action = lambda: _raise(ProblemError([MISTAKE]))
    answer = json.loads(invoke("run", "heat.pde", "--json").stdout)
    assert answer["ok"] is False
    assert answer["status"] == Status.WRONG_PROBLEM
    assert answer["diagnostics"][0]["place"]["line"] == 4


def test_check_says_what_the_problem_is(pipeline: Pipeline):
    pipeline.diagnostics = (WARNING,)
    result = invoke("check", "heat.pde", "--set", "solver.order=5")
    assert result.exit_code == Status.DONE
    assert result.stdout == "steady\nsecond order\n"
    assert result.stderr == "warning[W901]: `κ` is never used\n"
    assert pipeline.calls == [("check", ("heat.pde", ("solver.order=5",)))]


def test_check_shows_the_place(pipeline: Pipeline):
    pipeline.diagnostics = (MISTAKE, WARNING)
    result = invoke("check", "heat.pde")
    assert result.exit_code == Status.WRONG_PROBLEM
    assert result.stdout == ""
    assert result.stderr == (
        "heat.pde:4:9: error[E201]: there is no field `w`\n"
        " 4 |     lap(w) = 1\n"
        "   |         ^ unknown name\n"
        "   = help: did you mean `u`?\n"
        "\n"
        "warning[W901]: `κ` is never used\n"
        "\n"
        "heat.pde: 1 error, 1 warning\n"
    )


def test_check_of_several_files(pipeline: Pipeline):
    result = invoke("check", "a.pde", "nowhere", "b.pde")
    assert result.exit_code == Status.WRONG_PROBLEM
    assert result.stdout == "a.pde: correct\nb.pde: correct\n"
    assert "E801" in result.stderr
    answer = json.loads(invoke("check", "a.pde", "nowhere", "--json").stdout)
    assert [entry["ok"] for entry in answer["files"]] == [True, False]
    assert answer["files"][0]["summary"] == ["steady", "second order"]


@pytest.mark.parametrize(
    ("environment", "coloured"),
    [({"FORCE_COLOR": "1"}, True), ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False), ({}, False)],
)
def test_colour(pipeline: Pipeline, environment: dict[str, str], coloured: bool):
    pipeline.diagnostics = (MISTAKE,)
    env = {"FORCE_COLOR": None, "NO_COLOR": None} | environment
    result = invoke("check", "heat.pde", env=env)
    assert ("\x1b[" in result.stderr) == coloured


def test_control_characters_of_a_file_do_not_reach_the_terminal(pipeline: Pipeline):
    source = Source("a.pde", "x\x1b[2Jy")
    pipeline.diagnostics = (Diagnostic("E003", "bad \x07 character", Span(source, 1, 2)),)
    result = invoke("check", "a.pde", env={"FORCE_COLOR": None})
    assert "\x1b" not in result.stderr
    assert "\x07" not in result.stderr
    assert "x␛[2Jy" in result.stderr


def test_show(pipeline: Pipeline):
    assert invoke("show", "heat.pde").stdout == "problem as text\n"
    assert invoke("show", "--stage", "system", "--latex", "heat.pde").stdout == "system as latex\n"
    result = invoke("show", "--stage", "sistem", "heat.pde")
    assert result.exit_code == Status.WRONG_COMMAND
    assert "module, problem, system" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("nonsense",),
        ("run",),
        ("run", "heat.pde", "--seed", "-1"),
        ("run", "heat.pde", "--seed", "x"),
        ("run", "heat.pde", "--set", "solver.order"),
        ("run", "heat.pde", "--set", "=5"),
        ("run", "heat.pde", "--nonsense"),
        ("check",),
        ("fmt", "--check", "--write", "heat.pde"),
        ("fmt", "a.pde", "b.pde"),
        ("fmt", "--write", "-"),
        ("explain", "E9999"),
        ("list", "nonsense"),
    ],
)
def test_wrong_commands(pipeline: Pipeline, arguments: tuple[str, ...]):
    result = invoke(*arguments)
    assert result.exit_code == Status.WRONG_COMMAND
    assert "Usage: pdesl" in result.stderr
    assert not [name for name, _ in pipeline.calls if name == "run"]


def test_explain():
    code = sorted(CODES)[0]
    for spelling in (code, code.lower(), f"[{code}]"):
        result = invoke("explain", spelling)
        assert result.exit_code == Status.DONE
        assert result.stdout.startswith(f"{code}: {CODES[code].title}\n")
    assert max(map(len, invoke("explain", code).stdout.splitlines())) <= 100


@pytest.mark.parametrize("kind", ["problems", "operators", "functions", "solvers", "codes"])
def test_list(kind: str):
    result = invoke("list", kind)
    assert result.exit_code == Status.DONE, result.output
    rows = json.loads(invoke("list", kind, "--json").stdout)
    assert len(rows) == len({row["name"] for row in rows}) > 0
    assert all(row["description"] for row in rows)
    assert rows[0]["name"] in result.stdout


UNICODE = "domain:\n    Ω = disk(center=(0, 0), radius=1)\n    x, y ∈ Ω\n"
ASCII = "domain:\n    Omega = disk(center=(0, 0), radius=1)\n    x, y in Omega\n"


def test_fmt_converts_both_ways(tmp_path: Path, pipeline: Pipeline):
    path = tmp_path / "a.pde"
    path.write_text(UNICODE.replace(" = ", "="), encoding="utf-8")
    assert invoke("fmt", "--ascii", str(path)).stdout.isascii()
    assert invoke("fmt", "--check", str(path)).exit_code == Status.WRONG_PROBLEM
    assert invoke("fmt", "--write", str(path)).exit_code == Status.DONE
    assert path.read_text(encoding="utf-8") == UNICODE
    assert invoke("fmt", "--check", str(path)).exit_code == Status.DONE
    assert invoke("fmt", "-", input=ASCII).stdout == UNICODE
    other = tmp_path / "b.pde"
    assert invoke("fmt", "--ascii", "-o", str(other), str(path)).exit_code == Status.DONE
    assert other.read_text(encoding="utf-8") == ASCII


def test_fmt_of_a_wrong_file_changes_nothing(tmp_path: Path, pipeline: Pipeline):
    path = tmp_path / "a.pde"
    path.write_text("domain:\n    x in [0, 1\n", encoding="utf-8")
    result = invoke("fmt", "--write", str(path))
    assert result.exit_code == Status.WRONG_PROBLEM
    assert "error[E1" in result.stderr
    assert path.read_text(encoding="utf-8") == "domain:\n    x in [0, 1\n"


def test_the_fake_has_the_signatures_of_the_pipeline():
    import inspect

    from pdesl.run import pipeline as real

    assert isinstance(real, ModuleType)
    for name in ("load_source", "check", "show", "run"):
        fake = list(inspect.signature(getattr(Pipeline, name)).parameters)[1:]
        wanted = list(inspect.signature(getattr(real, name)).parameters)
        if name == "run":
            options = ["output", "solver", "overrides", "profile", "seed", "observer", "resume"]
            options += ["devices", "memory", "writes"]
            assert wanted == ["source", *options]
        else:
            assert wanted == fake
    assert {"module", "problem", "system"} <= set(real.STAGES)
