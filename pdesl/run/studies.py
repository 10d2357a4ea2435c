"""Studies of one problem: a ladder of discretisations (`verify`), several methods (`compare`).

A ladder solves the problem once for every value of an option, measures each error on test points,
and gives the observed order by regression. A comparison runs every method in a process of its
own, so that its time and its memory are its own.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pdesl.diagnostics import Diagnostic, ProblemError, SolverError, Source
from pdesl.ir.normalise import normalise
from pdesl.run.checkpoint import CheckpointFile, Started
from pdesl.run.folder import OutputFolder, default_folder
from pdesl.run.known import reference_choice
from pdesl.run.ladder import NODAL, make_ladder
from pdesl.run.metrics import FieldError, error_of_plain, to_json, versions
from pdesl.run.pipeline import known, load_source, solve
from pdesl.run.progress import Observer
from pdesl.run.results import judge_bounds
from pdesl.run.study_rows import StudyRows
from pdesl.solvers.methods import METHODS, method_named
from pdesl.symbolic.domain import numeric_value
from pdesl.symbolic.elaborate import elaborate_source
from pdesl.symbolic.options import show_option
from pdesl.symbolic.problem import Problem

if TYPE_CHECKING:
    from pdesl.run.solution import SavedSolution

__all__ = ["StudyReport", "compare", "observed_order", "verify", "write_pictures"]

# Points at which methods are compared with one another.
DIFFERENCE_POINTS = 2000
# Stages of a run that belong to no method, or only prepare it.
_NO_SOLVING = frozenset(
    ("compile", "nodes", "operators", "errors", "estimate", "reference", "files", "total")
)
# Other options that a ladder refines, with the spacing that a value stands for.
_SPACINGS = {
    "slices": lambda value: 1.0 / (value - 1.0),
    "points": lambda value: 1.0 / np.max(value),
    "dt": lambda value: value,
}


@dataclass(frozen=True, slots=True)
class StudyReport:
    """What a study wrote: its table as lines, and whether every stated bound is met."""

    folder: Path
    metrics: dict[str, object]
    files: tuple[Path, ...]
    lines: tuple[str, ...]
    met: bool


def observed_order(spacings: Sequence[float], errors: Sequence[float]) -> float:
    """The slope of log error against log spacing, by least squares."""
    return float(np.polyfit(np.log(spacings), np.log(errors), 1)[0])


# -- verify --------------------------------------------------------------------------------


def verify(
    source: Source,
    *,
    output: Path | None = None,
    solver: str | None = None,
    overrides: Sequence[str] = (),
    observer: Observer | None = None,
    resume: bool = False,
) -> StudyReport:
    """Solve a problem on the ladder of its `verify:` block and judge the bounds stated there.

    Args:
        source: the text of a problem with a known solution.
        output: the folder; `results/NAME_verify` by default.
        solver: another method than the file's.
        overrides: `block.name=value`, applied to every rung.
        observer: hears of every rung.
        resume: go on with the ladder in the folder, after the rungs that are known.

    Raises:
        ProblemError: the problem is wrong, states no known solution (E516) or no usable ladder
            (E517).
        CapabilityError, SolverError, OutputError: as for `pipeline.run`.
    """
    problem = elaborate_source(source, overrides)
    system = normalise(problem)
    if not system.exact and reference_choice(problem) is None:
        message = "a convergence study needs a known solution, and the file states none"
        fixes = (
            "add a `manufactured:` block, or `verify:` with the exact solution",
            "or a reference to `verify:`, `reference = method_of_lines(…)`",
        )
        raise ProblemError([Diagnostic("E516", message, helps=fixes)])
    dimension = len(system.frame.space_axes)
    ladder = make_ladder(problem, solver, dimension)
    option, values = ladder.option, ladder.values
    # Formulas and files have no place on an axis: their numbers of nodes have.
    is_plain = option not in NODAL or all(isinstance(v, int | float) for v in values)
    start = Started(
        source.name, source.text, source.folder, solver, tuple(overrides), None, None, "verify"
    )
    with (
        OutputFolder(output or default_folder(f"{problem.name}_verify")) as folder,
        CheckpointFile(folder.path, start, resume) as memory,
    ):
        rows = StudyRows(memory)
        trusted = known(source, overrides=overrides, observer=observer)
        for value in values[len(rows) :]:
            settings = [*overrides, *ladder.fixed, ladder.setting(value)]
            begin = time.perf_counter()
            found = solve(
                source, solver=solver, overrides=settings, observer=observer, known=trusted
            )
            seconds = time.perf_counter() - begin
            nodes = len(found.result.cloud.evaluation)
            rows.add({"nodes": nodes, "errors": found.errors, "seconds": seconds})
        counts = [row["nodes"] for row in rows]
        rungs = [
            (
                value if is_plain else row["nodes"],
                {field: error_of_plain(error) for field, error in row["errors"].items()},
                row["seconds"],
            )
            for value, row in zip(values, rows, strict=True)
        ]
        spacings = None
        if option in NODAL:
            spacings = [count ** (-1.0 / dimension) for count in counts]
        elif option in _SPACINGS:
            spacings = [_SPACINGS[option](value) for value in values]
        shown = option if is_plain else "nodes"
        orders = _orders(rungs, spacings)
        bounds = judge_bounds(problem, rungs[-1][1]) + _order_bounds(problem, orders)
        metrics: dict[str, object] = {
            "problem": problem.name,
            "problem_hash": problem.hash,
            "text": source.text,
            "overrides": list(overrides),
            "option": option,
            "rungs": [
                {
                    "value": value if is_plain else show_option(value),
                    "nodes": count,
                    "errors": dict(errors),
                    "seconds": seconds,
                }
                for value, count, (_, errors, seconds) in zip(values, counts, rungs, strict=True)
            ],
            "orders": orders,
            "bounds": bounds,
            "versions": versions(),
        }
        write_pictures(folder, metrics, "convergence")
        files = folder.commit(metrics)
        memory.remove()
    lines = _ladder_lines(shown, rungs, spacings, orders, bounds)
    return StudyReport(folder.path, metrics, files, lines, all(b["met"] for b in bounds))


def write_pictures(folder: OutputFolder, metrics: Mapping[str, object], *names: str) -> None:
    """The pictures of a study that its folder gets from the start; `pdesl plot` draws the rest."""
    from pdesl.run.plots import render_picture
    from pdesl.run.study_pictures import study_pictures

    found = study_pictures(json.loads(to_json(metrics)))
    for name in names:
        if name in found:
            _write_picture(folder, f"{name}.png", render_picture(found[name]))


def _write_picture(folder: OutputFolder, name: str, content: bytes) -> None:
    def write(path: Path) -> None:
        path.write_bytes(content)

    folder.write(name, write)


Rungs = Sequence[tuple[float, Mapping[str, FieldError], float]]


def _orders(rungs: Rungs, spacings: Sequence[float] | None) -> dict[str, float]:
    if spacings is None:
        return {}
    found = {}
    for field in rungs[0][1]:
        errors = [e[field].relative_l2 or e[field].linf for _, e, _ in rungs]
        if all(error > 0 for error in errors):
            found[field] = observed_order(spacings, errors)
    return found


def _order_bounds(problem: Problem, orders: Mapping[str, float]) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    judged = [(check, field) for check in problem.verify for field in check.fields]
    for check, field in judged:
        if check.quantity.name != "order":
            continue
        bound = numeric_value(check.bound, problem.parameter_values(), check.span, "a bound")
        measured = orders.get(field)
        met = measured is not None and (
            measured >= bound if check.operator == ">=" else measured <= bound
        )
        found.append(
            {
                "quantity": f"order({field})",
                "operator": check.operator,
                "bound": bound,
                "measured": measured,
                "met": met,
            }
        )
    return found


def _ladder_lines(
    option: str,
    rungs: Rungs,
    spacings: Sequence[float] | None,
    orders: Mapping[str, float],
    bounds: Sequence[Mapping[str, Any]],
) -> tuple[str, ...]:
    fields = list(rungs[0][1])
    head = f"{option:>10}"
    for field in fields:
        head += f" {field + ' rel. l2':>14} {'largest':>10} {'order':>6}"
    lines = [head + f" {'seconds':>8}"]
    for number, (value, errors, seconds) in enumerate(rungs):
        line = f"{value:>10}"
        for field in fields:
            own = errors[field]
            order = ""
            if number and spacings is not None:
                pair = [rungs[k][1][field].relative_l2 or rungs[k][1][field].linf
                        for k in (number - 1, number)]  # fmt: skip
                order = f"{observed_order(spacings[number - 1 : number + 1], pair):.2f}"
            size = "" if own.relative_l2 is None else f"{own.relative_l2:.2e}"
            line += f" {size:>14} {own.linf:>10.2e} {order:>6}"
        lines.append(line + f" {seconds:>8.1f}")
    lines += [f"observed order of {f} over the ladder: {p:.2f}" for f, p in orders.items()]
    for bound in bounds:
        words = "met" if bound["met"] else "MISSED"
        lines.append(f"{bound['quantity']} {bound['operator']} {bound['bound']:g}: {words}")
    lines.append(f"errors on {next(iter(rungs[0][1].values())).measured_on}")
    return tuple(lines)


# -- compare -------------------------------------------------------------------------------


def compare(
    name: str,
    solvers: Sequence[str],
    *,
    output: Path | None = None,
    overrides: Sequence[str] = (),
    seed: int | None = None,
    observer: Observer | None = None,
    resume: bool = False,
) -> StudyReport:
    """Run several methods on one problem, each in a process of its own.

    Args:
        name: a file, or the name of a problem that comes with pdesl.
        solvers: names of methods, compared in this order.
        output: the folder; `results/NAME_compare` by default. Each method's result is a folder
            in it.
        overrides: `block.name=value`, for every method that has the option.
        seed: the seed of every run.
        observer: hears of every run.
        resume: go on with the comparison in the folder, after the runs that have ended.

    Raises:
        ProblemError: the problem is wrong, or there is no such method (E501).
        SolverError: E707, a method failed; its message is part of this one.
        OutputError: the result could not be written.
    """
    source = load_source(name)
    problem = elaborate_source(source, overrides)
    for solver in solvers:
        method_named(solver)
    start = Started(
        name, source.text, source.folder, ",".join(solvers), tuple(overrides), None, seed, "compare"
    )
    with (
        OutputFolder(output or default_folder(f"{problem.name}_compare")) as folder,
        CheckpointFile(folder.path, start, resume) as memory,
    ):
        rows = StudyRows(memory)
        for solver in solvers[len(rows) :]:
            if observer is not None:
                observer.begin(solver)
            rows.add(_measured_run(name, solver, folder.path / solver, overrides, seed))
            if observer is not None:
                observer.end(solver, rows[-1]["wall_s"], rows[-1]["stop_reason"])
        base = _differences(folder.path, rows)
        metrics: dict[str, object] = {
            "problem": problem.name,
            "problem_hash": problem.hash,
            "text": source.text,
            "overrides": list(overrides),
            "runs": list(rows),
            "versions": versions(),
        }
        write_pictures(folder, metrics, "comparison")
        files = folder.commit(metrics)
        memory.remove()
    return StudyReport(folder.path, metrics, files, _comparison_lines(rows, base), met=True)


def _differences(folder: Path, rows: Sequence[dict[str, Any]]) -> str | None:
    """Without a known solution, how far every method is from a direct one, into `rows`.

    The relative l2 difference of every field on random points, `difference`, to the first direct
    method among them, else to the first method; returns its name, None with a known solution.
    """
    if rows[0]["errors"] or len(rows) < 2:
        return None
    from pdesl.lowering.cloud import make_test_points
    from pdesl.run.solution import load_solution

    direct = [row["solver"] for row in rows if METHODS[row["solver"]].direct]
    base = direct[0] if direct else str(rows[0]["solver"])
    reference = load_solution(folder / base)
    points = np.asarray(make_test_points(reference.region, DIFFERENCE_POINTS, 4))
    columns = dict(zip((a.name for a in reference.axes if not a.is_time), points.T, strict=True))
    for axis in reference.axes:
        if axis.is_time:
            columns[axis.name] = np.random.default_rng(4).uniform(
                axis.lower, axis.upper, len(points)
            )
    own = _by_field(reference, columns)
    for row in rows:
        if row["solver"] == base:
            continue
        other = _by_field(load_solution(folder / row["solver"]), columns)
        row["difference"] = {
            f: float(np.linalg.norm(other[f] - v) / max(np.linalg.norm(v), 1e-300))
            for f, v in own.items()
        }
    return base


def _by_field(solution: SavedSolution, columns: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    found = solution(**columns)
    return found if isinstance(found, dict) else {solution.fields[0]: found}


def _measured_run(
    name: str, solver: str, folder: Path, overrides: Sequence[str], seed: int | None
) -> dict[str, Any]:
    """One method in a process of its own: its metrics, wall time and peak memory."""
    arguments = [sys.executable, "-m", "pdesl", "run", name, "-o", str(folder), "--solver", solver]
    for setting in overrides:
        arguments += ["--set", setting]
    if seed is not None:
        arguments += ["--seed", str(seed)]
    begin = time.perf_counter()
    with subprocess.Popen(
        [*arguments, "--quiet"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        words = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter() - begin
    if process.returncode:
        raise SolverError(f"`{solver}` failed:\n{words.strip()}", code="E707")
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    timings = metrics["timings"]
    return {
        "solver": solver,
        "errors": metrics["errors"],
        "wall_s": wall,
        "solve_s": sum(v for k, v in timings.items() if k not in _NO_SOLVING),
        "compile_s": metrics["compile_seconds"],
        "peak_memory_mb": _megabytes(usage),
        "iterations": metrics["counts"].get("iterations"),
        "stop_reason": metrics["stop_reason"],
        "notes": metrics["notes"],
    }


def _megabytes(usage: resource.struct_rusage) -> float:
    # Linux counts kilobytes, macOS bytes.
    return usage.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


def _comparison_lines(rows: Sequence[Mapping[str, Any]], base: str | None) -> tuple[str, ...]:
    fields = list(rows[0]["errors"])
    compared = (
        [] if base is None else list(next(r for r in rows if "difference" in r)["difference"])
    )
    width = max(10, *(len(row["solver"]) for row in rows))
    head = f"{'method':<{width}}" + "".join(
        f" {f + ' rel. l2':>14} {'largest':>10}" for f in fields
    )
    head += "".join(f" {f + ' differs by':>16}" for f in compared)
    lines = [head + f" {'wall s':>8} {'solve s':>8} {'compile s':>9} {'memory MB':>10}"]
    for row in rows:
        line = f"{row['solver']:<{width}}"
        for field in compared:
            far = row.get("difference", {}).get(field)
            line += f" {'–' if far is None else f'{far:.2e}':>16}"
        for field in fields:
            error = row["errors"][field]
            size = "" if error["relative_l2"] is None else f"{error['relative_l2']:.2e}"
            line += f" {size:>14} {error['linf']:>10.2e}"
        lines.append(
            f"{line} {row['wall_s']:>8.1f} {row['solve_s']:>8.2f} {row['compile_s']:>9.2f} "
            f"{row['peak_memory_mb']:>10.0f}"
        )
    lines += [f"{row['solver']}: {note}" for row in rows for note in row["notes"]]
    if fields:
        lines.append(f"errors on {rows[0]['errors'][fields[0]]['measured_on']}")
    if base is not None:
        lines.append(f"nothing is known to compare with: relative l2 differences to {base}")
    lines.append("solve s holds compile s; wall s holds the start of Python and all files")
    return tuple(lines)
