"""From a text to a result on disk: the stages of pdesl, strung together.

    source ──parse──► module ──elaborate──► problem ──normalise, verify──► system
                                                                             │
        files ◄──write── errors ◄──measure── solution ◄──solve── method, options, region

`compile` goes as far as the system; `check` adds what can be said without solving; `run` solves,
measures the error on test points of its own, and writes everything at once or nothing.
Nothing is imported from JAX before a problem has proved correct and a method has accepted it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sympy

from pdesl.diagnostics import (
    CapabilityError,
    Diagnostic,
    ProblemError,
    Severity,
    Source,
)
from pdesl.ir.evolution import to_evolution
from pdesl.ir.facts import shape_mistakes, verify
from pdesl.ir.frame import frame_of
from pdesl.ir.metric_text import format_metric, latex_metric, metric_of_system
from pdesl.ir.normalise import normalise
from pdesl.ir.reduction import reduce_problem
from pdesl.ir.split import split
from pdesl.ir.system import System
from pdesl.ir.text import format_expression, format_system, latex_system
from pdesl.language.names import suggest
from pdesl.language.parser import parse, read_source
from pdesl.resources import problems_folder
from pdesl.run.compilations import compilations
from pdesl.run.estimate import estimate_errors
from pdesl.run.file_names import name_mistakes
from pdesl.run.known import Known, known_solution, reference_mistakes
from pdesl.run.outputs import output_targets, stop_conditions
from pdesl.run.preparing import Ready, is_wrong, make_ready, monitored
from pdesl.run.progress import Observer, SilentObserver
from pdesl.run.progress import stage as observed
from pdesl.run.refusals import only_fits
from pdesl.run.solution import Solution
from pdesl.run.words import describe
from pdesl.solvers.division import division_mistakes
from pdesl.solvers.memory_estimate import estimate_memory, memory_line, memory_mistake
from pdesl.solvers.methods import (
    bind_options,
    choose_method,
    requirements,
    size_mistakes,
)
from pdesl.symbolic.elaborate import attempt_source, elaborate_source
from pdesl.symbolic.problem import Problem

if TYPE_CHECKING:
    from pdesl.solvers.base import (
        Monitor,
        SolverResult,
    )

__all__ = [
    "STAGES",
    "CheckReport",
    "RunReport",
    "Solution",
    "check",
    "compile",
    "load_source",
    "run",
    "show",
    "solve",
]

STAGES: tuple[str, ...] = (
    "module", "problem", "metric", "system", "split", "evolution", "jets",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What `check` found: diagnostics, and the problem in a scientist's words."""

    diagnostics: tuple[Diagnostic, ...]
    summary: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RunReport:
    """What `run` wrote; `lines` state the accuracy reached and how it was measured.

    `interrupted`: ended by Ctrl-C, with a usable result up to there; `stopped`: a limit of the
    method ended it.
    """

    folder: Path
    metrics: dict[str, object]
    files: tuple[Path, ...]
    lines: tuple[str, ...]
    interrupted: bool = False
    stopped: bool = False


def load_source(name: str) -> Source:
    """The text of a file, or of a problem that comes with pdesl.

    Raises:
        ProblemError: neither exists (E801), or the file cannot be read.
    """
    path = Path(name)
    if path.exists() or path.suffix == ".pde" or "/" in name:
        return read_source(path)
    known = {p.stem: p for p in problems_folder().glob("*.pde")}
    if name in known:
        return read_source(known[name])
    guess = suggest(name, list(known))
    raise ProblemError(
        [
            Diagnostic(
                "E801",
                f"there is no file and no problem named `{name}`",
                helps=(f"did you mean `{guess}`?" if guess else "`pdesl list problems` shows all",),
            )
        ]
    )


def compile(source: Source | Problem, target: str = "system", overrides: Sequence[str] = ()) -> Any:
    """A text or a problem as far as `target`, one of `STAGES`.

    Returns:
        A `Module`, a `Problem`, a `Metric`, a `System` (as stated, or in evolution form), the
        `Splitting` of every row, or a `JetPlan` for every row and field.

    Raises:
        ProblemError: the text or the problem is wrong; every mistake found is in it.
        ValueError: an unknown target.
    """
    if target not in STAGES:
        raise ValueError(f"there is no stage {target!r}; there are {', '.join(STAGES)}")
    if isinstance(source, Problem):
        if target == "module":
            from pdesl.symbolic.to_text import to_module

            return to_module(source)
        problem = source
    else:
        if target == "module":
            result = parse(source)
            if result.module is None:
                raise ProblemError(result.diagnostics)
            return result.module
        problem = elaborate_source(source, overrides)
    if target == "problem":
        return problem
    system = normalise(problem)
    if target == "metric":
        return metric_of_system(_with_metric(system, problem))
    if target == "evolution":
        return to_evolution(system, constraints=True)
    if target == "jets":
        from pdesl.lowering.jets.plan import plan_jets

        return plan_jets(system)
    return split(system) if target == "split" else system


def _with_metric(system: System, stated: Problem) -> System:
    """A system in the frame of the problem as stated, which a reduction takes the metric from."""
    return replace(system, problem=stated, frame=frame_of(stated)) if stated.reduction else system


# -- check and show ------------------------------------------------------------------------


def check(
    source: Source,
    overrides: Sequence[str] = (),
    profile: str | None = None,
    *,
    memory: float | None = None,
    devices: int = 1,
) -> CheckReport:
    """Every mistake of a problem, and what kind it is; solves nothing.

    What the chosen method cannot solve is a note, since another method may. With `memory`, bytes
    of each of the devices, a run that would need more is a mistake.

    Raises:
        ProblemError: a text or problem so wrong that there is no system.
    """
    attempt = attempt_source(source, overrides, profile)
    problem, found = attempt.problem, list(attempt.diagnostics)
    if problem is None:
        raise ProblemError(found)
    system: System | None = None
    if attempt.complete:
        try:
            problem = reduce_problem(problem)
            system = normalise(problem)
            found += verify(system)
            found += name_mistakes(problem)
        except ProblemError as error:
            found += error.diagnostics
    if system is None:
        found += shape_mistakes(problem)
    summary: tuple[str, ...] = ()
    try:
        method, choice = choose_method(problem, system)
        try:
            values = problem.parameter_values()
        except ProblemError:  # reported above; what is written with them has no value either
            values = {}
            kept = tuple((n, v) for n, v in choice.options if not isinstance(v, sympy.Expr))
            choice = replace(choice, options=kept)
        options = bind_options(method, choice, values)
        if system is not None:
            found += size_mistakes(method, system, choice, options)
            found += reference_mistakes(system)
            steps = method.evolving or method.fits
            refused = output_targets(problem, system, values, steps=steps)[1]
            notes = [*requirements(method, system, options), *refused]
            if devices > 1 and not notes:
                notes += division_mistakes(method, system, options, values)
            if not is_wrong(found):
                summary = describe(system, method, options)
                if memory is not None and not notes:
                    own = method, system, choice, options, values
                    parts = estimate_memory(*own, devices)
                    line = memory_line(parts, devices) if parts else "memory: no estimate"
                    summary = (*summary, f"  {line}")
                    mistake = memory_mistake(*own, memory, devices)
                    found += [] if mistake is None else [mistake]
                found += [replace(d, severity=Severity.NOTE) for d in notes]
    except ProblemError as error:
        found += error.diagnostics
    ordered = sorted(dict.fromkeys(found), key=lambda d: d.span.start if d.span else -1)
    if system is None:
        raise ProblemError(ordered)
    return CheckReport(tuple(ordered), summary)


def show(source: Source, stage: str, form: str) -> str:
    """A stage of the compiler as text or LaTeX.

    Raises:
        ProblemError: the text is wrong.
    """
    if stage == "metric":
        system = _with_metric(compile(source, "system"), compile(source, "problem"))
        return latex_metric(system) if form == "latex" else format_metric(system)
    result = compile(source, stage)
    if stage == "module":
        from pdesl.language.printer import format_module

        return format_module(result)
    if stage == "problem":
        return result._repr_latex_() if form == "latex" else result.to_pde()
    if stage in ("system", "evolution"):
        return latex_system(result) if form == "latex" else format_system(result)
    system = compile(source, "system")
    if stage == "jets":
        from pdesl.lowering.jets.plan import format_jets

        return format_jets(result, system)
    lines = []
    for part in result:
        lines.append(f"{part.row.name}: mass + stiff + nonstiff = 0, chosen by {part.chosen_by}")
        for label in ("mass", "stiff", "nonstiff"):
            expression = getattr(part, label)
            text = (
                sympy.latex(expression)
                if form == "latex"
                else format_expression(expression, system)
            )
            lines.append(f"    {label:<9} {text}")
    return "\n".join(lines)


# -- run -----------------------------------------------------------------------------------


def run(
    source: Source | Problem,
    *,
    output: Path | None = None,
    solver: str | None = None,
    overrides: Sequence[str] = (),
    profile: str | None = None,
    seed: int | None = None,
    observer: Observer | None = None,
    resume: bool = False,
    devices: int = 1,
    memory: float | None = None,
    writes: bool = True,
) -> RunReport:
    """Solve a problem and write solution, metrics and picture into a folder.

    Args:
        source: the text of a problem, or a problem.
        output: the folder; `results/NAME` by default.
        solver: another method than the problem names; it takes over the options that it has.
        overrides: `block.name=value`, applied to the text after the profile.
        profile: the name of a `profile` block whose settings are applied.
        seed: the seed of nodes, network and test points.
        observer: hears of stages, progress and choices.
        resume: go on from the checkpoint in the folder, with the arguments of
            `checkpoint.read_start`; a fit may have others, more epochs for example.
        devices: how many devices, of all processes, the work is divided among.
        memory: bytes of each that a run may need by its estimate; by default all that it has.
        writes: whether this process writes the folder; of several processes one does.

    Raises:
        ProblemError: the problem is wrong.
        CapabilityError: the method cannot solve it.
        SolverError: the method failed; nothing was written.
        OutputError: the result could not be written, nothing was replaced; or nothing can be
            resumed (E831).
        KeyboardInterrupt: interrupted before there was a usable result; nothing was written (see
            `RunReport.interrupted`).
    """
    from pdesl.run import results
    from pdesl.run.checkpoint import CheckpointFile, Started
    from pdesl.run.folder import OutputFolder, default_folder
    from pdesl.run.io import check_names, writer_for

    observer = SilentObserver() if observer is None else observer
    timings: dict[str, float] = {}
    ready = make_ready(source, solver, overrides, profile, seed, observer, timings, devices, memory)
    own = ready.source
    start = Started(own.name, own.text, own.folder, solver, tuple(overrides), profile, seed)
    if not writes:
        from pdesl.run.following import follow

        return follow(ready, output, observer, timings, start=start, resume=resume)
    if ready.method.fits:
        from pdesl.run.fitting import run_fit

        return run_fit(
            ready.task, ready.settings, output, observer, timings, start=start, resume=resume
        )
    system, problem = ready.task.system, ready.task.system.problem
    steps = ready.method.evolving
    targets, refused = output_targets(problem, system, ready.task.values, steps=steps)
    if refused:
        raise CapabilityError(refused)
    never: list[str] = []
    check_names((s.name for s in system.space.coordinates), system.fields)
    with (
        OutputFolder(output or default_folder(problem.name)) as folder,
        CheckpointFile(folder.path, start, resume) as checkpoint,
    ):
        for target in targets:
            folder.check(target.name)
        known = known_solution(ready.task, observer, timings)
        ready, result, ended = _solve(ready.remembering(checkpoint), observer, timings)
        if result.reached is not None:
            targets = [t.until(result.reached) for t in targets]
        with observed(observer, "errors", timings) as note:
            errors, points = results.measure(ready.task, result, known)
            course = results.errors_over_time(ready.task, result, known)
            note.text = f"{points:,} test points"
        estimate = None
        if known is None and ready.method.direct:
            with observed(observer, "estimate", timings):
                estimate = estimate_errors(ready.task, ready.method, result.evaluate)
        with observed(observer, "files", timings):
            writer = results.TargetWriter(
                ready.task, result, ready.source, known, ready.settings, profile
            )
            for target in map(writer.resolved, targets):
                if target.times is None or len(target.times):
                    folder.write(target.name, writer_for(target.name, writer.data(target)))
                else:
                    never.append(f"{target.name} is not written: its condition was never true")
            folder.write(
                f"{problem.name}.png",
                lambda path: results.draw_picture(path, ready.task, result, known, course),
            )
        bounds = results.judge_bounds(problem, errors)
        metrics = results.collect_metrics(
            ready.task,
            ready.method.name,
            result,
            errors,
            points=points,
            overrides=ready.settings,
            timings=timings,
        )
        metrics |= {"bounds": bounds, "numbers": writer.numbers, "files": folder.digests()}
        if writer.drifts:
            metrics["drift"] = {name: asdict(drift) for name, drift in writer.drifts.items()}
        if course:
            metrics["errors_over_time"] = course
        if estimate is not None:
            metrics["estimated_errors"] = {
                "relative_l2": dict(estimate.errors),
                "how": estimate.words,
            }
        if result.reached is not None:
            metrics["reached"] = result.reached
        files = folder.commit(metrics)
        if not result.interrupted:
            checkpoint.remove()
    closing = results.closing_lines(result, errors, bounds, known, estimate, writer.drifts)
    lines = (*closing, *never)
    if problem.sweep:
        names = ", ".join(name for name, _ in problem.sweep)
        lines = (*lines, f"this is one run; `pdesl sweep` solves for all values of {names}")
    if result.interrupted:
        lines = (*lines, f"`pdesl run --resume {folder.path}` goes on from here")
    stopped = result.reached is not None and not (result.interrupted or ended)
    return RunReport(folder.path, metrics, files, lines, result.interrupted, stopped)


def solve(
    source: Source | Problem,
    *,
    solver: str | None = None,
    overrides: Sequence[str] = (),
    profile: str | None = None,
    seed: int | None = None,
    observer: Observer | None = None,
    monitor: Monitor | None = None,
    known: Known | None = None,
    devices: int = 1,
) -> Solution:
    """Solve a problem and keep the solution in memory; arguments and errors as for `run`.

    Args:
        monitor: watches the training from outside its clock.
        known: what errors are measured against; by default the known solution or the reference
            of the problem (`known`).

    Raises:
        ValueError: a monitor, and a method that does not train.
    """
    observer = SilentObserver() if observer is None else observer
    timings: dict[str, float] = {}
    ready = make_ready(source, solver, overrides, profile, seed, observer, timings, devices)
    if ready.method.fits:
        raise only_fits(ready.method.name)
    known = known or known_solution(ready.task, observer, timings)
    if monitor is not None:
        ready = replace(ready, task=monitored(ready.task, ready.method, monitor, known))
    ready, result, _ = _solve(ready, observer, timings)
    if result.interrupted and result.reached is None:
        raise KeyboardInterrupt
    from pdesl.run import results

    errors, _ = results.measure(ready.task, result, known)
    return Solution(
        ready.task, result, errors, timings, ready.source, ready.settings, profile, known
    )


def _solve(
    ready: Ready, observer: Observer, timings: dict[str, float]
) -> tuple[Ready, SolverResult, bool]:
    """The solution, the task that it is one of, and whether `when …: stop` ended it."""
    from pdesl.run.moments import Moments, halting
    from pdesl.run.reporting import make_reporter
    from pdesl.run.representation import represent

    task = ready.task
    conditions = stop_conditions(task.system.problem, task.system, task.values)
    halt = halting(task, conditions) if conditions else None
    with compilations() as compiled:
        result = ready.method.solve(replace(task, halt=halt), make_reporter(observer, timings))
    result = replace(result, compilation=compiled())
    if result.reached is not None:
        task = replace(task, until=result.reached)
    stop = None
    if conditions:
        stop = Moments(task, result, represent(task, result)[0]).first(conditions)
    if stop is not None:
        time, condition = stop
        words = f"{condition.label} at t = {time:.6g}"
        result = replace(result, reached=time, stop_reason=words)
        task = replace(task, until=time)
    return replace(ready, task=task), result, stop is not None


def known(
    source: Source | Problem,
    *,
    overrides: Sequence[str] = (),
    profile: str | None = None,
    observer: Observer | None = None,
) -> Known | None:
    """What errors of a problem are measured against, its reference solved; see `known_solution`."""
    observer = SilentObserver() if observer is None else observer
    ready = make_ready(source, None, overrides, profile, None, SilentObserver(), {})
    return known_solution(ready.task, observer, {})
