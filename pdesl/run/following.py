"""A process of several that are at work on one problem, and that does not write the result."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from pdesl.run.checkpoint import CheckpointFile, Started
from pdesl.run.folder import default_folder
from pdesl.run.pipeline import RunReport
from pdesl.run.preparing import Ready
from pdesl.run.progress import Observer
from pdesl.run.reporting import make_reporter

__all__ = ["follow"]


def follow(
    ready: Ready,
    output: Path | None,
    observer: Observer,
    timings: dict[str, float],
    *,
    start: Started,
    resume: bool,
) -> RunReport:
    """Take part in solving; arguments as for `pipeline.run`.

    A checkpoint is read by every process, so that the folder must be one that all of them see.
    """
    task = ready.task
    folder = Path(output or default_folder(task.system.problem.name)).expanduser()
    reporter = make_reporter(observer, timings)
    if ready.method.fits:
        from pdesl.run.fitting import fingerprint
        from pdesl.solvers.fit_choices import read_data
        from pdesl.solvers.sinode import fit

        mark = fingerprint(task.system.problem)
        memory = CheckpointFile(folder, start, resume, mark, writes=False)
        data = read_data(task.system.problem, task.values)
        interrupted = fit(replace(task, memory=memory), data, reporter).interrupted
    else:
        memory = CheckpointFile(folder, start, resume, writes=False)
        ready = ready.remembering(memory)
        interrupted = ready.method.solve(ready.task, reporter).interrupted
    return RunReport(folder, {}, (), ("the first process writes the result",), interrupted)
