"""Runs that are stopped or killed and go on: to the same bits, with no file torn."""

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from pdesl.diagnostics import OutputError, Source
from pdesl.run import pipeline
from pdesl.run.checkpoint import CHECKPOINT, CheckpointFile, read_start
from tests.runs import ended_by_checkpoint

RELAXING = """
domain:
    x ∈ [0, 1]
    t ∈ [0, 0.2]
fields:
    u(t, x) : scalar
equations:
    ∂t u = ∇²u + u - u³
boundary:
    u = 0    on ∂Ω
initial:
    u = sin(π x)
solver:
    method = method_of_lines(space=finite_difference(points=30, order=2), time=imex_rk4(rtol=1e-6))
    checkpoint = 0
output:
    every 0.05: u -> "solution.h5"
"""
PERIODIC = (
    RELAXING.replace("x ∈ [0, 1]", "x ∈ periodic(0, 2)")
    .replace("boundary:\n    u = 0    on ∂Ω\n", "")
    .replace("finite_difference(points=30, order=2)", "fourier(points=32)")
)


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize(
    ("text", "time"),
    [
        (RELAXING, "imex_rk4(rtol=1e-6)"),
        (RELAXING, "sbdf4(dt=0.005)"),
        (RELAXING, "dirk2(rtol=1e-4)"),
        (PERIODIC, "etdrk4(dt=0.01)"),
        (PERIODIC, "cnab2(dt=0.006)"),
        (PERIODIC, "rk45(rtol=1e-5)"),
        (PERIODIC, "taylor_series(rtol=1e-6)"),
    ],
)
def test_the_method_of_lines_goes_on_to_the_same_bits(tmp_path: Path, text: str, time: str):
    source, settings = Source("relaxing.pde", text), (f"solver.time={time}",)
    whole = pipeline.run(source, output=tmp_path / "whole", overrides=settings)
    folder = tmp_path / "parts"
    with ended_by_checkpoint(7, Killed), pytest.raises(Killed):
        pipeline.run(source, output=folder, overrides=settings)
    assert [p.name for p in folder.iterdir()] == [CHECKPOINT]
    start = read_start(folder)
    again = pipeline.run(start.source, output=folder, overrides=start.overrides, resume=True)
    assert again.metrics["counts"] == whole.metrics["counts"]
    assert again.metrics["notes"] == whole.metrics["notes"]
    name = "solution.h5"
    assert (folder / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert not (folder / CHECKPOINT).exists()


def test_steps_that_are_interrupted_are_a_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    source = Source("relaxing.pde", RELAXING)
    whole = pipeline.run(source, output=tmp_path / "whole")
    from pdesl.solvers import marching

    advance = marching._advance

    def interrupting(*arguments) -> None:
        advance(*arguments)
        if arguments[3].t > 0.1:  # the second output time is met
            raise KeyboardInterrupt

    folder = tmp_path / "parts"
    with monkeypatch.context() as patched:
        patched.setattr(marching, "_advance", interrupting)
        first = pipeline.run(source, output=folder)
    assert first.interrupted
    assert 0.1 < first.metrics["reached"] < 0.2  # type: ignore[operator]
    again = pipeline.run(source, output=folder, resume=True)
    assert again.metrics["counts"] == whole.metrics["counts"]
    assert (folder / "solution.h5").read_bytes() == (tmp_path / "whole/solution.h5").read_bytes()


def test_a_method_without_states_begins_anew(tmp_path: Path):
    """`rbf_fd` has nothing to go on from: a run that was killed is run again."""
    source = pipeline.load_source("linear_poisson_disk")
    settings = ("solver.nodes=200",)
    folder = tmp_path / "out"
    folder.mkdir()
    from pdesl.run.checkpoint import Started

    start = Started(source.name, source.text, source.folder, "rbf_fd", settings, None, None)
    CheckpointFile(folder, start).__enter__()
    found = read_start(folder)
    report = pipeline.run(
        found.source, output=folder, solver=found.solver, overrides=found.overrides, resume=True
    )
    assert report.metrics["errors"]["u"].relative_l2 < 1e-2  # type: ignore[index]
    with pytest.raises(OutputError, match="no unfinished run") as caught:
        pipeline.run(source, output=folder, solver="rbf_fd", overrides=settings, resume=True)
    assert caught.value.code == "E831"


def test_a_run_that_fails_leaves_no_folder(tmp_path: Path):
    source = Source("relaxing.pde", RELAXING)
    with pytest.raises(Exception, match=r"not finite|no step"):
        pipeline.run(
            source, output=tmp_path / "out",
            overrides=("solver.checkpoint=30", "solver.time=cnab2(dt=0.1)", "initial.u=1e200*x"),
        )  # fmt: skip
    assert not (tmp_path / "out").exists()


SWEPT = """
parameters:
    κ = 2
domain:
    x, y ∈ [0, 1]
fields:
    u(x, y) : scalar
    f(x, y) : source
equations:
    κ ∇²u = f
boundary:
    u = exact(u)    on ∂Ω
manufactured:
    u = sin(x) exp(y)
solver:
    method = rbf_fd
    nodes = 100
sweep:
    κ ∈ [1, 2, 3]
verify:
    nodes = [100, 150, 200]
"""


@pytest.mark.parametrize("command", ["sweep", "verify", "compare"])
def test_a_study_goes_on_after_what_it_has_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
):
    from click.testing import CliRunner

    from pdesl.run import studies, sweeps
    from pdesl.run.cli import commands

    path, folder = tmp_path / "swept.pde", tmp_path / "out"
    path.write_text(SWEPT, encoding="utf-8")
    module, name = {
        "sweep": (sweeps, "solve_member"),
        "verify": (studies, "solve"),
        "compare": (studies, "_measured_run"),
    }[command]  # fmt: skip
    real, done = getattr(module, name), []

    def counted(*arguments, **options):
        if name == "_measured_run":
            metrics = {"errors": {}, "wall_s": 1.0, "solve_s": 1.0, "compile_s": 0.0, "notes": []}
            found = metrics | {"solver": arguments[1], "peak_memory_mb": 1.0, "stop_reason": ""}
        else:
            found = real(*arguments, **options)
        done.append(1)
        if len(done) == 2 and limited:
            raise Killed
        return found

    monkeypatch.setattr(module, name, counted)
    monkeypatch.setattr(studies, "_differences", lambda *_: None)
    given = ["--solvers", "rbf_fd,pinn,dt_pinn"] if command == "compare" else []
    limited = True
    with pytest.raises(Killed):
        invoke = CliRunner().invoke
        invoke(commands, [command, str(path), "-o", str(folder), *given], catch_exceptions=False)
    limited = False
    result = CliRunner().invoke(commands, ["run", "--resume", str(folder), "--quiet"])
    assert result.exit_code == 0, result.output
    assert len(done) == 4  # three, and the one that was killed again
    assert (folder / "metrics.json").is_file()
    assert not (folder / CHECKPOINT).exists()


def test_a_full_disk_loses_nothing(tmp_path: Path):
    """A run that finds the disk full leaves the earlier result and its last checkpoint."""
    source, folder = Source("relaxing.pde", RELAXING), tmp_path / "out"
    pipeline.run(source, output=folder)
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    size = len(before["solution.h5"])
    text = RELAXING.replace("t ∈ [0, 0.2]", "t ∈ [0, 0.4]").replace("points=30", "points=100")
    longer = Source("relaxing.pde", text)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size // 2, limits[1]))
        with pytest.raises(OutputError, match="could not be written") as caught:
            pipeline.run(longer, output=folder)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert caught.value.code == "E815"
    assert {n: b for n, b in before.items() if n != CHECKPOINT} == {
        p.name: p.read_bytes() for p in folder.iterdir() if p.name != CHECKPOINT
    }
    start = read_start(folder)
    again = pipeline.run(start.source, output=folder, resume=True)
    assert not again.interrupted
    assert not (folder / CHECKPOINT).exists()
    whole = pipeline.run(longer, output=tmp_path / "whole")
    assert again.metrics["counts"] == whole.metrics["counts"]
    assert (folder / "solution.h5").read_bytes() == (tmp_path / "whole/solution.h5").read_bytes()


def test_runs_killed_at_random_moments(tmp_path: Path):
    """SIGKILL, in processes of their own; `tests.run.kill` does it 50 times for every method."""
    (tmp_path / "relaxing.pde").write_text(RELAXING, encoding="utf-8")
    command = [sys.executable, "-W", "ignore", "-m", "tests.run.kill"]
    result = subprocess.run(
        [*command, str(tmp_path / "relaxing.pde"), "--kills", "4"],
        capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert "kills=4" in result.stdout
