"""A problem solved for every combination of the values of its block `sweep`.

Every run has a folder of its own with a whole result; a table of all of them and a picture are
written when the last one has ended.
"""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import sympy

from pdesl.diagnostics import Diagnostic, ProblemError, Source
from pdesl.run.checkpoint import CHECKPOINT, CheckpointFile, Started
from pdesl.run.folder import OutputFolder, default_folder
from pdesl.run.members import Member, solve_member, solve_members
from pdesl.run.metrics import versions
from pdesl.run.progress import Observer
from pdesl.run.studies import StudyReport, write_pictures
from pdesl.run.study_pictures import sweep_columns
from pdesl.run.study_rows import StudyRows
from pdesl.symbolic.elaborate import elaborate_source
from pdesl.symbolic.functions import constant_value
from pdesl.symbolic.options import show_option
from pdesl.symbolic.problem import Choice, OptionValue, Problem

__all__ = ["MOST_RUNS", "combinations", "sweep"]

MOST_RUNS = 1000


def combinations(problem: Problem) -> list[dict[str, OptionValue]]:
    """Every combination of the values of a sweep, the last name running fastest.

    Raises:
        ProblemError: E523, the problem has no sweep, or one of more than `MOST_RUNS` runs.
    """
    if not problem.sweep:
        raise ProblemError(
            [
                Diagnostic(
                    "E523", "the file has no block `sweep:`",
                    helps=("sweep:\n    κ ∈ [0.1, 1, 10]",),
                )
            ]
        )  # fmt: skip
    names = [name for name, _ in problem.sweep]
    lists = [values if isinstance(values, tuple) else (values,) for _, values in problem.sweep]
    count = int(np.prod([len(values) for values in lists]))
    if count > MOST_RUNS:
        raise ProblemError(
            [
                Diagnostic(
                    "E523", f"the sweep has {count:,} runs; the most are {MOST_RUNS:,}",
                    helps=("give fewer values, or sweep over fewer names at once",),
                )
            ]
        )  # fmt: skip
    return [dict(zip(names, values, strict=True)) for values in itertools.product(*lists)]


def sweep(
    source: Source,
    *,
    output: Path | None = None,
    solver: str | None = None,
    overrides: Sequence[str] = (),
    profile: str | None = None,
    seed: int | None = None,
    observer: Observer | None = None,
    processes: int = 1,
    devices: int = 1,
    resume: bool = False,
) -> StudyReport:
    """Solve a problem for every combination of the values of its block `sweep`.

    Args:
        source: the text of a problem with a block `sweep`.
        output: the folder; `results/NAME_sweep` by default. Run k has the folder `run_00k` in it.
        solver, overrides, profile, seed: for every run, as for `pipeline.run`.
        observer: hears of every run.
        processes: how many runs are at work at a time; see `members.solve_members`.
        devices: how many devices each run is divided among.
        resume: go on with the sweep in the folder, after the runs that have ended.

    Raises:
        ProblemError: the problem or a combination is wrong; E523 where there is nothing to sweep.
        CapabilityError, SolverError, OutputError: as for `pipeline.run`; runs before stay.
    """
    problem = elaborate_source(source, overrides, profile)
    wanted = combinations(problem)
    digits = max(len(str(len(wanted))), 2)
    start = Started(
        source.name, source.text, source.folder, solver, tuple(overrides), profile, seed, "sweep"
    )
    texts = [{n: show_option(v) for n, v in values.items()} for values in wanted]
    names = [f"run_{number:0{digits}d}" for number in range(1, len(wanted) + 1)]
    with (
        OutputFolder(output or default_folder(f"{problem.name}_sweep")) as folder,
        CheckpointFile(folder.path, start, resume) as memory,
    ):
        rows = StudyRows(memory)
        done = {row["folder"] for row in rows}
        left = [position for position, name in enumerate(names) if name not in done]
        members = [
            Member(
                source, folder.path / names[k], solver,
                (*overrides, *(f"{_setting(n)}={text}" for n, text in texts[k].items())),
                profile, seed, resume and (folder.path / names[k] / CHECKPOINT).exists(),
                devices,
            )
            for k in left
        ]  # fmt: skip

        def say(position: int, word: str = "") -> None:
            label = ", ".join(f"{name} = {text}" for name, text in texts[position].items())
            if observer is not None:
                observer.say(f"run {position + 1} of {len(wanted)}{word}: {label}")

        def keep(position: int, metrics: Mapping[str, Any]) -> None:
            places = {name: _numeric(value) for name, value in wanted[position].items()}
            own = {"folder": names[position], "values": texts[position], "places": places}
            rows.add({**own, **_outcome(metrics)})

        def ended(member: int, metrics: Mapping[str, Any]) -> None:
            say(left[member], " has ended")
            keep(left[member], metrics)

        try:
            if processes > 1:
                solve_members(members, processes, ended)
            else:
                for position, member in zip(left, members, strict=True):
                    say(position)
                    keep(position, solve_member(member, observer))
        except KeyboardInterrupt:
            if observer is not None:
                observer.say(f"`pdesl run --resume {folder.path}` goes on from here")
            raise
        runs = sorted(rows, key=lambda row: names.index(row["folder"]))
        metrics: dict[str, object] = {
            "problem": problem.name,
            "problem_hash": problem.hash,
            "text": source.text,
            "overrides": list(overrides),
            "profile": profile,
            "runs": runs,
            "versions": versions(),
        }
        columns = sweep_columns(runs)
        folder.write("sweep.csv", lambda path: _write(path, _csv(columns)))
        write_pictures(folder, metrics, "sweep")
        files = folder.commit(metrics)
        memory.remove()
    met = all(b["met"] for r in runs for b in r["bounds"])
    return StudyReport(folder.path, metrics, files, _lines(columns), met=met)


def _outcome(metrics: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "errors": metrics.get("errors", {}),
        "numbers": metrics.get("numbers", {}),
        "bounds": metrics.get("bounds", []),
        "seconds": metrics.get("timings", {}).get("total"),
    }


def _setting(name: str) -> str:
    return name if "." in name else f"parameters.{name}"


def _numeric(value: OptionValue) -> float | None:
    if isinstance(value, bool | str | tuple | Choice):
        return None
    if isinstance(value, sympy.Expr):
        return constant_value(value)
    return float(value)


def _csv(columns: Mapping[str, list[Any]]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(columns)
    for row in zip(*columns.values(), strict=True):
        writer.writerow("" if v is None else repr(v) if isinstance(v, float) else v for v in row)
    return stream.getvalue()


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="")


def _lines(columns: Mapping[str, list[Any]]) -> tuple[str, ...]:
    table = [list(columns)]
    for row in zip(*columns.values(), strict=True):
        table.append(
            ["" if v is None else f"{v:.4g}" if isinstance(v, float) else str(v) for v in row]
        )
    widths = [max(len(row[k]) for row in table) for k in range(len(columns))]
    return tuple(
        "  ".join(text.rjust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in table
    )
