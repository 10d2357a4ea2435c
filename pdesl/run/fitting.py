"""A fit from end to end: the model, its checkpoint, metrics and picture in one folder."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from pdesl.run.checkpoint import CheckpointFile, Started
from pdesl.run.compilations import compilations
from pdesl.run.fit_picture import draw_fit
from pdesl.run.folder import OutputFolder, default_folder
from pdesl.run.metrics import make_metrics
from pdesl.run.model_file import MODEL, save_model
from pdesl.run.pipeline import RunReport
from pdesl.run.progress import Observer
from pdesl.run.progress import stage as observed
from pdesl.run.reporting import make_reporter
from pdesl.solvers.base import Task
from pdesl.solvers.fit_choices import read_data
from pdesl.solvers.fit_result import FitResult
from pdesl.solvers.sinode import fit
from pdesl.symbolic.options import settings_of, show_option
from pdesl.symbolic.problem import Choice, OptionValue, Problem

__all__ = ["run_fit"]

# Options of a fit that say how long to go on; a fit that is resumed may have others.
LENGTHS = {"iterations", "epochs", "patience", "seconds"}


def fingerprint(problem: Problem) -> str:
    """What a checkpoint must agree in: all that the problem states, without how long to go on."""

    def without(choice: OptionValue) -> OptionValue:
        if not isinstance(choice, Choice):
            return choice
        return replace(choice, options=tuple(o for o in choice.options if o[0] not in LENGTHS))

    kept = tuple((n, without(v)) for n, v in problem.fit_options if n not in LENGTHS)
    text = replace(problem, fit_options=kept).to_pde("ascii")
    return hashlib.sha256(text.encode()).hexdigest()


def run_fit(
    task: Task,
    settings: Sequence[str],
    output: Path | None,
    observer: Observer,
    timings: dict[str, float],
    *,
    start: Started,
    resume: bool = False,
) -> RunReport:
    """Fit a problem and write model, metrics and picture; arguments as for `pipeline.run`.

    Args:
        task: a problem that `sinode` has accepted.
        settings: what was set from outside, for the metrics.
        start: how the run was started, kept beside the checkpoint.

    Raises:
        ProblemError: data that cannot be used (E540 to E544).
        SolverError: the fit failed (E750, E751, …); a checkpoint of what was reached is left.
        OutputError: nothing to resume from (E831), or a result that could not be written.
    """
    problem = task.system.problem
    with (
        OutputFolder(output or default_folder(problem.name)) as folder,
        CheckpointFile(folder.path, start, resume, fingerprint(problem)) as memory,
    ):
        with observed(observer, "data", timings) as note:
            data = read_data(problem, task.values)
            count = sum(m.count for m in data.values())
            note.text = f"{count:,} measurements in {len(data)} data set{'s'[: len(data) > 1]}"
        with compilations() as compiled:
            result = fit(replace(task, memory=memory), data, make_reporter(observer, timings))
        with observed(observer, "files", timings):
            title, text, seed = problem.name, problem.to_pde(), task.options.seed
            place = problem.source.folder if problem.source is not None else ""
            place = str(Path(place).resolve())
            folder.write(MODEL, lambda path: save_model(path, result, text, title, seed, place))
            folder.write(f"{problem.name}.png", lambda path: draw_fit(path, title, result))
        metrics = _metrics(task, settings, result, timings, data)
        metrics |= {"compilation": compiled(), "devices": task.devices}
        files = folder.commit(metrics)
    return RunReport(folder.path, metrics, files, _lines(result), result.interrupted)


def _metrics(
    task: Task,
    settings: Sequence[str],
    result: FitResult,
    timings: Mapping[str, float],
    data: Mapping[str, Any],
) -> dict[str, object]:
    import jax

    device = jax.devices()[0]
    problem = task.system.problem
    found = make_metrics(
        problem=problem.name,
        problem_hash=problem.hash,
        solver="sinode",
        settings=settings_of(task.options)
        | {"fit": {n: _plain(v) for n, v in problem.fit_options}, "optimizer": result.optimiser},
        overrides=settings,
        seed=task.options.seed,
        device=f"{device.platform}: {device.device_kind}",
        precision=task.options.precision,
        errors={},
        losses=result.losses,
        counts=result.counts,
        timings=timings,
        stop_reason=result.stop_reason,
        notes=result.notes,
    )
    found["unknowns"] = {
        name: {"value": value, "standard_error": result.errors[name]}
        for name, value in result.values.items()
    }
    if result.correlation is not None:
        found["correlation"] = {"names": list(result.values), "table": result.correlation}
    found["terms"] = {t.data: _misfit(t) for t in result.terms}
    found["inputs"] = {m.path: {"bytes": m.size, "sha256": m.sha256} for m in data.values()}
    found["interrupted"] = result.interrupted
    return found


def _plain(value: Any) -> object:
    return value if isinstance(value, int | float | str | bool) else show_option(value)


def _misfit(term: Any) -> dict[str, float]:
    gap = (term.modelled - term.measured)[np.isfinite(term.measured)]
    size = term.measured[np.isfinite(term.measured)]
    scale = float(np.sqrt(np.mean(size**2))) or 1.0
    root = float(np.sqrt(np.mean(gap**2)))
    return {"root_mean_square": root, "relative": root / scale, "measurements": len(gap)}


def _lines(result: FitResult) -> tuple[str, ...]:
    done = result.counts.get("iterations", 0)
    lines = [f"stopped: {result.stop_reason} ({done:,} iterations of {result.optimiser})"]
    lines += result.notes
    calls = result.counts.get("function_evaluations_per_epoch")
    if calls is not None:
        batches = result.counts["batches"]
        lines.append(
            f"{calls:,} function evaluations an epoch: {batches:,} batches, "
            f"{result.counts['steps_of_a_window']:,} steps"
        )
    for name, value in result.values.items():
        error = result.errors[name]
        text = f"{name} = {value:.6g}"
        lines.append(text if math.isnan(error) else f"{text} ± {error:.2g}")
    for term in result.terms:
        own = _misfit(term)
        lines.append(
            f"{term.data}: root mean square of model - data {own['root_mean_square']:.3g}, "
            f"relative {own['relative']:.2e}"
        )
    words = ", ".join(f"{name.replace('_', ' ')} {v:.3e}" for name, v in result.losses.items())
    return (*lines, f"misfit: {words}")
