"""Fits as runs: checkpoints, interrupts, precision, what a failure says."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from pdesl.diagnostics import OutputError, ProblemError, SolverError
from pdesl.run import pipeline
from pdesl.run.reporting import silent_reporter
from pdesl.solvers.base import Reporter, TrainingReport
from pdesl.solvers.fit_choices import read_data
from pdesl.solvers.sinode import fit
from tests.runs import ended_by_checkpoint
from tests.solvers.fits import (
    FIT,
    HEAD,
    OSCILLATOR,
    decay,
    oscillator,
    source_of,
    task_of,
    waves,
)


def test_a_fit_goes_on_from_its_checkpoint_as_if_it_had_not_stopped(tmp_path: Path):
    source = decay(tmp_path)
    whole = pipeline.run(source, output=tmp_path / "a")
    half = ("fit.optimizer.epochs=3",)
    pipeline.run(source, overrides=half, output=tmp_path / "b")
    resumed = pipeline.run(source, output=tmp_path / "b", resume=True)
    first, second = whole.metrics["losses"], resumed.metrics["losses"]
    assert first == second
    with pytest.raises(Exception, match="of another run"):
        pipeline.run(source, overrides=("solver.seed=3",), output=tmp_path / "b", resume=True)


@pytest.mark.parametrize(
    ("optimiser", "saves"), [("levenberg_marquardt", 3), ("lbfgs(iterations=8)", 1)]
)
def test_every_optimiser_goes_on_to_the_same_bits(tmp_path: Path, optimiser: str, saves: int):
    source = oscillator(tmp_path, 8)
    settings = (f"fit.optimizer={optimiser}", "solver.checkpoint=0")
    whole = pipeline.run(source, output=tmp_path / "a", overrides=settings)
    with ended_by_checkpoint(saves, KeyboardInterrupt):
        assert pipeline.run(source, output=tmp_path / "b", overrides=settings).interrupted
    again = pipeline.run(source, output=tmp_path / "b", overrides=settings, resume=True)
    assert str(again.metrics["unknowns"]) == str(whole.metrics["unknowns"])  # NaN among them
    assert again.metrics["counts"] == whole.metrics["counts"]
    other = ("fit.optimizer=adam(rate=0.1)", "solver.checkpoint=0")
    with pytest.raises(OutputError, match="of another run") as caught:
        pipeline.run(source, output=tmp_path / "b", overrides=other, resume=True)
    assert caught.value.code == "E831"


def test_a_gradient_that_an_optimiser_does_not_take_is_told(tmp_path: Path):
    text = OSCILLATOR.format(windows=8, gradient="continuous_adjoint")
    t = np.linspace(0.17, 3, 15)
    task = task_of(source_of(text, tmp_path, t=t, u=np.cos(2.1 * t), v=-2.1 * np.sin(2.1 * t)))
    said: list[str] = []
    reporter = dataclasses.replace(silent_reporter(), say=said.append)
    fit(task, read_data(task.system.problem, task.values), reporter)
    assert any("continuous_adjoint" in words for words in said)


def test_an_interrupted_fit_is_a_result(tmp_path: Path):
    source = decay(tmp_path)
    task = task_of(source)
    plain = silent_reporter()

    def train(report: TrainingReport) -> None:
        if report.iteration == 2:
            raise KeyboardInterrupt

    reporter = Reporter(plain.stage, train, plain.say)
    found = fit(task, read_data(task.system.problem, task.values), reporter)
    assert found.interrupted
    assert found.counts["iterations"] == 2
    assert np.isfinite(found.losses["training"])


def test_a_misfit_that_is_not_finite_says_where(tmp_path: Path):
    source = decay(tmp_path)
    with pytest.raises(Exception, match=r"epoch \d+, step \d+ of \d+ is not finite"):
        pipeline.run(source, overrides=("fit.optimizer.rate=1e200",), output=tmp_path / "out")


def test_a_factor_of_a_second_derivative_is_told_where_it_fails(tmp_path: Path):
    text = HEAD + "closure:\n    K = mlp(sin(π x), hidden=(8,), normalise=false)\nequations:\n"
    text += "    ∂t u = K ∂x²u\n" + FIT + "    optimizer = adam(epochs=1)\n"
    text += "solver:\n    method = sinode(space=fourier(64), time=rk4(dt=0.05))\n"
    data = waves(64)
    data["u"] *= 1e150
    with pytest.raises(SolverError, match="epoch 1, step 1") as error:
        pipeline.run(source_of(text, tmp_path, **data), output=tmp_path / "out")
    assert "`K*∂x² u`" in str(error.value.advice)


def test_a_fit_in_float32_with_checkpoints_is_that_in_float64(tmp_path: Path):
    source = decay(tmp_path)
    exact = pipeline.run(source, output=tmp_path / "a")
    own = ("solver.precision=float32", "solver.checkpoints=sqrt")
    found = pipeline.run(source, overrides=own, output=tmp_path / "b")
    assert found.metrics["precision"] == "float32"
    first, second = (
        r.metrics["losses"]["training"]  # type: ignore[index]
        for r in (exact, found)
    )
    assert second == pytest.approx(first, rel=1e-3)
    damped = ("solver.precision=float32", "fit.optimizer=levenberg_marquardt(iterations=2)")
    with pytest.raises(ProblemError, match="works in float64"):
        pipeline.run(source, overrides=damped, output=tmp_path / "c")
