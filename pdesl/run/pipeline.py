"""From a text to a result on disk: the stages of pdesl, strung together.

    source ──parse──► module ──elaborate──► problem ──normalise, verify──► system
                                                                             │
        files ◄──write── errors ◄──measure── solution ◄──solve── method, options, region

`compile` goes as far as the system; `check` adds what can be said without solving; `run` solves,
measures the error on test points of its own, and writes everything at once or nothing.
Nothing is imported from JAX before a problem has proved correct and a method has accepted it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import sympy

from pdesl.diagnostics import (
    CapabilityError, Diagnostic, ProblemError, Severity, SolverError, Source, render,
)  # fmt: skip
from pdesl.ir.facts import Facts, facts, shape_mistakes, verify
from pdesl.ir.normalise import normalise
from pdesl.ir.split import split
from pdesl.ir.system import System
from pdesl.ir.text import format_expression, format_system, latex_system
from pdesl.language.names import suggest
from pdesl.language.parser import parse, read_source
from pdesl.resources import problems_folder
from pdesl.run.progress import Observer, SilentObserver, TrainingProgress
from pdesl.run.progress import stage as observed
from pdesl.solvers.methods import (
    Method, bind_options, choose_method, method_named, requirements, size_mistakes,
)  # fmt: skip
from pdesl.symbolic.domain import make_region
from pdesl.symbolic.elaborate import attempt_source, elaborate_source
from pdesl.symbolic.options import describe_options, settings_of
from pdesl.symbolic.problem import Choice, Problem

if TYPE_CHECKING:
    from pdesl.run.metrics import FieldError
    from pdesl.solvers.base import Reporter, SolverResult, Task, TrainingReport
    from pdesl.symbolic.geometry import Region

__all__ = [
    "STAGES", "CheckReport", "RunReport", "Solution", "check", "compile", "load_source", "run",
    "show", "solve",
]  # fmt: skip

STAGES: tuple[str, ...] = ("module", "problem", "system", "split")
# Points that an error is measured at, apart from the nodes of the solution.
TEST_POINTS = 20_000


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What `check` found: diagnostics, and the problem in a scientist's words."""

    diagnostics: tuple[Diagnostic, ...]
    summary: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RunReport:
    """What `run` wrote; `lines` state the accuracy reached and how it was measured."""

    folder: Path
    metrics: dict[str, object]
    files: tuple[Path, ...]
    lines: tuple[str, ...]


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
                "E801", f"there is no file and no problem named `{name}`",
                helps=(f"did you mean `{guess}`?" if guess else "`pdesl list problems` shows all",),
            )
        ]
    )  # fmt: skip


def compile(
    source: Source | Problem, target: str = "system", overrides: Sequence[str] = ()
) -> Any:
    """A text or a problem as far as `target`, one of `STAGES`.

    Returns:
        A `Module`, a `Problem`, a `System`, or the `Splitting` of every row.

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
    return split(system) if target == "split" else system


# -- check and show ------------------------------------------------------------------------


def check(source: Source, overrides: Sequence[str] = ()) -> CheckReport:
    """Every mistake of a problem, and what kind it is; solves nothing.

    What the chosen method cannot solve is a note, since another method may.

    Raises:
        ProblemError: a text or problem so wrong that there is no system.
    """
    attempt = attempt_source(source, overrides)
    problem, found = attempt.problem, list(attempt.diagnostics)
    if problem is None:
        raise ProblemError(found)
    system: System | None = None
    if attempt.complete:
        try:
            system = normalise(problem)
            found += verify(system)
        except ProblemError as error:
            found += error.diagnostics
    if system is None:
        found += shape_mistakes(problem)
    summary: tuple[str, ...] = ()
    try:
        method, choice = choose_method(problem)
        try:
            values = problem.parameter_values()
        except ProblemError:  # reported above; what is written with them has no value either
            values = {}
            kept = tuple((n, v) for n, v in choice.options if not isinstance(v, sympy.Expr))
            choice = replace(choice, options=kept)
        options = bind_options(method, choice, values)
        if system is not None:
            found += size_mistakes(method, system, choice, options)
            notes = [*requirements(method, system), *_targets(problem, system)[1]]
            if not _is_wrong(found):
                summary = describe(system, method, options)
                found += [replace(d, severity=Severity.NOTE) for d in notes]
    except ProblemError as error:
        found += error.diagnostics
    ordered = sorted(dict.fromkeys(found), key=lambda d: d.span.start if d.span else -1)
    if system is None:
        raise ProblemError(ordered)
    return CheckReport(tuple(ordered), summary)


def _is_wrong(found: Sequence[Diagnostic]) -> bool:
    return any(d.severity is Severity.ERROR for d in found)


def show(source: Source, stage: str, form: str) -> str:
    """A stage of the compiler as text or LaTeX.

    Raises:
        ProblemError: the text is wrong.
    """
    result = compile(source, stage)
    if stage == "module":
        from pdesl.language.printer import format_module

        return format_module(result)
    if stage == "problem":
        return result._repr_latex_() if form == "latex" else result.to_pde()
    if stage == "system":
        return latex_system(result) if form == "latex" else format_system(result)
    system = compile(source, "system")
    lines = []
    for part in result:
        lines.append(f"{part.row.name}: mass + stiff + nonstiff = 0, chosen by {part.chosen_by}")
        for label in ("mass", "stiff", "nonstiff"):
            expression = getattr(part, label)
            text = sympy.latex(expression) if form == "latex" else format_expression(expression, system)
            lines.append(f"    {label:<9} {text}")
    return "\n".join(lines)


def describe(system: System, method: Method, options: Any) -> tuple[str, ...]:
    """A system in a scientist's words, and what would be done with it."""
    found = facts(system)
    problem = system.problem
    lines = [f"{problem.name}: {_kind(found)}"]
    for entry in found.fields:
        time = f", order {entry.order_in_time} in time" if not found.steady else ""
        lines.append(f"  {entry.name}: order {entry.order_in_space} in space{time}")
    lines.append(f"  domain: {_domain(system)}")
    if found.nonlinear_terms:
        lines.append(f"  nonlinear: {'; '.join(found.nonlinear_terms)}")
    if system.sources:
        lines.append(f"  derived from the known solution: {', '.join(system.sources)}")
    if system.boundary:
        words = "condition" if len(system.boundary) == 1 else "conditions"
        lines.append(f"  {len(system.boundary)} boundary {words}, the whole boundary is covered")
    if system.exact:
        lines.append("  a known solution is given: a run reports the error against it")
    own = [f"{k}={v}" for k, v in (problem.solver.options if problem.solver else ())]
    lines.append(f"  method: {method.name}({', '.join(own)}), {method.words}")
    return tuple(lines)


def _kind(found: Facts) -> str:
    words = ["steady" if found.steady else "time-dependent"]
    words.append("linear" if found.linear else "nonlinear")
    if found.linear:
        words.append("constant coefficients" if found.constant_coefficients else
                     "variable coefficients")  # fmt: skip
    count = len(found.fields)
    words.append("one equation" if count == 1 else f"{count} equations"
                 + (", coupled" if found.coupled else ""))  # fmt: skip
    words.append(f"{found.dimension}-D")
    return ", ".join(words)


def _domain(system: System) -> str:
    shape = system.problem.shape
    if shape is None:
        return "time alone"
    region = make_region(shape, system.space_symbols, system.problem.parameter_values())
    lower, upper = region.bounding_box()
    names = [s.name for s in system.space_symbols]
    ranges = [f"{n} in [{a:g}, {b:g}]" for n, a, b in zip(names, lower, upper, strict=True)]
    text = ", ".join(ranges) if len(ranges) <= 4 else f"{len(ranges)} dimensions"
    return f"{shape.kind}, {text}"


# -- run -----------------------------------------------------------------------------------


def run(
    source: Source | Problem,
    *,
    output: Path | None = None,
    solver: str | None = None,
    overrides: Sequence[str] = (),
    seed: int | None = None,
    observer: Observer | None = None,
) -> RunReport:
    """Solve a problem and write solution, metrics and picture into a folder.

    Args:
        source: the text of a problem, or a problem.
        output: the folder; `results/NAME` by default.
        solver: another method than the problem names; it takes over the options that it has.
        overrides: `block.name=value`, applied to the text.
        seed: the seed of nodes, network and test points.
        observer: hears of stages, progress and choices.

    Raises:
        ProblemError: the problem is wrong.
        CapabilityError: the method cannot solve it.
        SolverError: the method failed; nothing was written.
        OutputError: the result could not be written; nothing was replaced.
        KeyboardInterrupt: interrupted; nothing was written.
    """
    from pdesl.run.folder import OutputFolder, default_folder
    from pdesl.run.io import check_names, check_suffix, writer_for

    observer = SilentObserver() if observer is None else observer
    timings: dict[str, float] = {}
    ready = _prepare(source, solver, overrides, seed, observer, timings)
    system, problem = ready.task.system, ready.task.system.problem
    targets, refused = _targets(problem, system)
    if refused:
        raise CapabilityError(refused)
    check_names((s.name for s in system.space_symbols), system.fields)
    with OutputFolder(output or default_folder(problem.name)) as folder:
        for name, _ in targets:
            check_suffix(name)
            folder.check(name)
        result = _solve(ready, observer, timings)
        with observed(observer, "errors", timings) as note:
            errors, points = _measure(ready.task, result)
            note.text = f"{points:,} test points"
        with observed(observer, "files", timings):
            data = _result_data(ready.task, result, ready.source)
            for name, fields in targets:
                folder.write(name, writer_for(name, data.select(fields)))
            folder.write(f"{problem.name}.png", lambda path: _picture(path, ready.task, result))
        bounds = _bounds(problem, errors)
        metrics = _metrics(ready, result, errors, timings)
        metrics |= {"bounds": bounds, "files": folder.digests()}
        files = folder.commit(metrics)
    return RunReport(folder.path, metrics, files, _closing(result, errors, bounds))


def solve(
    source: Source | Problem,
    *,
    solver: str | None = None,
    overrides: Sequence[str] = (),
    seed: int | None = None,
    observer: Observer | None = None,
) -> Solution:
    """Solve a problem and keep the solution in memory; arguments and errors as for `run`."""
    observer = SilentObserver() if observer is None else observer
    timings: dict[str, float] = {}
    ready = _prepare(source, solver, overrides, seed, observer, timings)
    result = _solve(ready, observer, timings)
    errors, _ = _measure(ready.task, result)
    return Solution(ready.task.system, result, errors, timings)


@dataclass(frozen=True, slots=True)
class Solution:
    """A solution as a function of the coordinates of its problem.

    `solution(x, y)` takes arrays that broadcast, in the order of the problem's coordinates (time
    first), and gives an array for a problem of one field, else a dictionary of arrays by field.
    `errors` are those against the known solution, by field; `result` has nodes, losses, history.
    """

    system: System
    result: SolverResult
    errors: Mapping[str, FieldError]
    timings: Mapping[str, float]

    def __call__(self, *coordinates: Any) -> Any:
        names = [s.name for s in self.system.space.coordinates]
        if len(coordinates) != len(names):
            raise TypeError(f"a solution is a function of {', '.join(names)}")
        arrays = np.broadcast_arrays(*(np.asarray(c, dtype=float) for c in coordinates))
        table = np.stack([a.ravel() for a in arrays], axis=1)
        found = {k: v.reshape(arrays[0].shape) for k, v in self.result.evaluate(table).items()}
        return next(iter(found.values())) if len(found) == 1 else found


@dataclass(frozen=True, slots=True)
class _Ready:
    """A problem that a method has accepted."""

    source: Source
    task: Task
    method: Method
    settings: tuple[str, ...]


def _prepare(
    source: Source | Problem, solver: str | None, overrides: Sequence[str], seed: int | None,
    observer: Observer, timings: dict[str, float],
) -> _Ready:  # fmt: skip
    from pdesl.solvers.base import Task

    with observed(observer, "compile", timings) as note:
        settings = list(overrides)
        if seed is not None:
            settings.append(f"solver.seed={seed}")
        if solver is not None:
            method_named(solver)
            settings.append(f"solver.method={solver}")
        if isinstance(source, Problem):
            source = Source(source.name, source.to_pde())
        problem = elaborate_source(source, settings)
        system = normalise(problem)
        found = verify(system)
        if _is_wrong(found):
            raise ProblemError([*problem.warnings, *found])
        method, choice = choose_method(problem)
        if solver is not None:
            choice = _shared(choice, method, observer)
        values = problem.parameter_values()
        options = bind_options(method, choice, values)
        sizes = size_mistakes(method, system, choice, options)
        if sizes:
            raise ProblemError(sizes)
        reasons = requirements(method, system)
        if reasons:
            raise CapabilityError(reasons)
        assert problem.shape is not None
        region = make_region(problem.shape, system.space_symbols, values)
        note.text = f"{method.name}: {_kind(facts(system))}"
    for warning in (*problem.warnings, *found):
        observer.say(render(warning))
    return _Ready(source, Task(system, region, values, options), method, tuple(settings))


def _solve(ready: _Ready, observer: Observer, timings: dict[str, float]) -> SolverResult:
    result = ready.method.solve(ready.task, _reporter(observer, timings))
    if result.interrupted:
        raise KeyboardInterrupt
    return result


def _shared(choice: Choice, method: Method, observer: Observer) -> Choice:
    """The options of the file's method that another method has too; the others are named."""
    known = {name for name, _, _ in describe_options(method.options)}
    dropped = [name for name, _ in choice.options if name not in known]
    if dropped:
        observer.say(f"{method.name} has no option {', '.join(dropped)}: left out")
    kept = tuple((n, v) for n, v in choice.options if n in known)
    return Choice(choice.name, kept, choice.positional, choice.spans, span=choice.span)


def _targets(
    problem: Problem, system: System
) -> tuple[list[tuple[str, tuple[str, ...]]], list[Diagnostic]]:
    """The files to be written at the end, each with its fields; outputs that no run can give."""
    found: list[tuple[str, tuple[str, ...]]] = []
    refused: list[Diagnostic] = []
    for rule in problem.output:
        at_end = isinstance(rule.trigger, Choice) and rule.trigger.name == "end"
        fields = []
        for expression in _flat(rule.outputs):
            name = getattr(getattr(expression, "func", None), "__name__", "")
            if name in system.fields:
                fields.append(name)
            else:
                refused.append(Diagnostic("E621", "only fields can be written yet", rule.span,
                                          helps=("name fields: "
                                                 + ", ".join(f"`{f}`" for f in system.fields),)))  # fmt: skip
        if not at_end or rule.target is None:
            refused.append(Diagnostic("E620", "output during a run cannot be written yet", rule.span,
                                      helps=('write it at the end, `at end: u -> "u.h5"`',)))  # fmt: skip
        elif fields:
            found.append((rule.target, tuple(dict.fromkeys(fields))))
    if not any(name.endswith(".h5") for name, _ in found):
        found.append(("solution.h5", system.fields))
    return found, refused


def _flat(values: Sequence[Any]) -> list[Any]:
    return [e for v in values for e in (_flat(v) if isinstance(v, tuple) else [v])]


def _reporter(observer: Observer, timings: dict[str, float]) -> Reporter:
    from pdesl.solvers.base import Reporter

    @contextmanager
    def stage(name: str):
        with observed(observer, name, timings) as note:
            yield note

    def train(report: TrainingReport) -> None:
        observer.train(
            TrainingProgress(
                report.iteration, report.loss, report.elapsed, report.iterations,
                report.seconds_limit, report.phase,
            )
        )  # fmt: skip

    return Reporter(stage, train, observer.say)


# -- measuring -----------------------------------------------------------------------------


def _exact(task: Task) -> Callable[[np.ndarray], dict[str, np.ndarray]] | None:
    """The known solution as a function of inputs in the problem's order."""
    from pdesl.lowering.emit import evaluate_at
    from pdesl.lowering.places import Places

    system = task.system
    if not system.exact:
        return None
    axis = system.frame.time_axis

    def exact(inputs: np.ndarray) -> dict[str, np.ndarray]:
        times = None if axis is None else inputs[:, axis]
        points = inputs if axis is None else np.delete(inputs, axis, axis=1)
        values = evaluate_at(
            [system.exact[f] for f in system.fields], system, Places(points, None, times), task.values
        )
        return {
            f: np.broadcast_to(np.asarray(v, float), (len(inputs),)).copy()
            for f, v in zip(system.fields, values, strict=True)
        }

    return exact


def _measure(task: Task, result: SolverResult) -> tuple[Mapping[str, FieldError], int]:
    """Errors against the known solution on test points that the solution has not seen."""
    from pdesl.lowering.cloud import make_test_points
    from pdesl.lowering.places import join_time
    from pdesl.run.metrics import field_error

    points = np.asarray(make_test_points(task.region, TEST_POINTS, task.options.seed + 1))
    span = task.time_span
    words = f"{len(points):,} test points inside the domain and on its boundary, apart from the nodes"
    times = None
    if span is not None:
        times = np.random.default_rng(task.options.seed + 1).uniform(*span, len(points))
        words += ", at random times"
    inputs = join_time(task.system, points, times)
    computed = result.evaluate(inputs)
    for name, values in computed.items():
        if not np.all(np.isfinite(values)):
            raise SolverError(
                f"the solution `{name}` is not finite at some test points", code="E703",
                advice="choose precision = float64, or a smaller network",
            )  # fmt: skip
    exact = _exact(task)
    if exact is None:
        return {}, len(points)
    known = exact(inputs)
    return {f: field_error(computed[f], known[f], words) for f in task.system.fields}, len(points)


# -- writing -------------------------------------------------------------------------------


def _result_data(task: Task, result: SolverResult, source: Source) -> Any:
    from pdesl.lowering.places import join_time
    from pdesl.run.io import FieldData, ResultData

    system, problem, cloud = task.system, task.system.problem, result.cloud
    points = cloud.evaluation
    span = task.time_span
    times = None if span is None else np.full(len(points), span[1])
    inputs = join_time(task.system, points, times)
    computed = result.evaluate(inputs)
    exact = _exact(task)
    known = exact(inputs) if exact is not None else {}
    units = {c: f.unit or "1" for f in problem.fields for c in f.components}
    first = len(cloud.interior)
    part = np.full(len(points), -1)
    part[first:] = cloud.part
    normals = np.full(points.shape, np.nan)
    normals[first:] = cloud.normals
    attributes: dict[str, str | int | float] = {
        "problem": source.text, "problem_hash": problem.hash, "method": result.method,
        "seed": task.options.seed,
    }  # fmt: skip
    if span is not None:
        attributes["time"] = span[1]
    return ResultData(
        title=problem.name,
        coordinates={s.name: points[:, i] for i, s in enumerate(system.space_symbols)},
        fields={f: FieldData(computed[f], known.get(f), units.get(f, "1")) for f in system.fields},
        kind=(np.arange(len(points)) >= first).astype(int),
        part=part,
        part_names=tuple(cloud.part_names),
        normals=normals,
        network=dict(result.arrays),
        network_attributes=dict(result.attributes),
        history=dict(result.history),
        attributes=attributes,
    )


def _picture(path: Path, task: Task, result: SolverResult) -> None:
    from pdesl.lowering.places import join_time
    from pdesl.run.report import PictureData, plot_solution

    system, problem, cloud = task.system, task.system.problem, result.cloud
    span = task.time_span
    title = problem.name if span is None else f"{problem.name} at t = {span[1]:g}"

    def at_end(function: Callable[[np.ndarray], dict[str, np.ndarray]] | None) -> Any:
        if function is None or span is None:
            return function
        return lambda x: function(join_time(task.system, x, np.full(len(x), span[1])))

    lower, upper = task.region.bounding_box()
    history = {k: v for k, v in result.history.items() if k in ("iteration", "loss")}
    plot_solution(
        path,
        PictureData(
            title=f"{title} ({result.method})",
            coordinates=tuple(s.name for s in system.space_symbols),
            level=task.region.level,
            lower=np.asarray(lower, float),
            upper=np.asarray(upper, float),
            evaluate=at_end(result.evaluate),
            interior=cloud.interior,
            boundary=cloud.boundary,
            ghost=cloud.ghost,
            exact=at_end(_exact(task)),
            history=history,
            units={c: f.unit for f in problem.fields for c in f.components if f.unit},
        ),
    )


def _metrics(
    ready: _Ready, result: SolverResult, errors: Mapping[str, FieldError],
    timings: Mapping[str, float],
) -> dict[str, object]:  # fmt: skip
    import jax

    from pdesl.run.metrics import make_metrics

    device = jax.devices()[0]
    task, problem = ready.task, ready.task.system.problem
    metrics = make_metrics(
        problem=problem.name,
        problem_hash=problem.hash,
        solver=ready.method.name,
        settings=settings_of(task.options),
        overrides=ready.settings,
        seed=task.options.seed,
        device=f"{device.platform}: {device.device_kind}",
        precision=result.precision,
        errors=errors,
        losses=result.losses,
        counts=result.counts,
        timings=timings,
        stop_reason=result.stop_reason,
        notes=result.notes,
    )
    metrics["compile_seconds"] = result.compile_seconds
    return metrics


def _bounds(problem: Problem, errors: Mapping[str, FieldError]) -> list[dict[str, object]]:
    """The bounds of `verify:` that a single run can judge, each with what was measured."""
    found: list[dict[str, object]] = []
    for check in problem.verify:
        name = check.quantity.name
        (field,) = (getattr(getattr(p, "func", None), "__name__", "") for p in check.quantity.positional[:1])
        if name == "error":
            name = "relative_l2"
        if name not in ("relative_l2", "linf") or field not in errors:
            continue
        measured = getattr(errors[field], name)
        bound = float(check.bound.xreplace(dict(problem.parameter_values())))
        met = measured is not None and (measured <= bound if check.operator == "<=" else measured >= bound)
        found.append(
            {"quantity": f"{name}({field})", "operator": check.operator, "bound": bound,
             "measured": measured, "met": met}
        )  # fmt: skip
    return found


def _closing(
    result: SolverResult, errors: Mapping[str, FieldError], bounds: Sequence[Mapping[str, object]]
) -> tuple[str, ...]:
    """The last lines: the accuracy reached and how it was measured."""
    lines = [f"stopped: {result.stop_reason} ({result.counts.get('iterations', 0):,} iterations)"]
    if not errors:
        total = result.losses.get("total", float("nan"))
        lines.append(
            f"no known solution to compare with; the mean squared residual is {total:.2e} on the "
            "points of the training"
        )
        return tuple(lines)
    for name, error in errors.items():
        size = "" if error.relative_l2 is None else f"relative l2 error {error.relative_l2:.2e}, "
        lines.append(f"{name}: {size}largest error {error.linf:.2e}")
    for bound in bounds:
        words = "met" if bound["met"] else "MISSED"
        lines.append(f"{bound['quantity']} {bound['operator']} {bound['bound']:g}: {words}")
    lines.append(f"measured on {next(iter(errors.values())).measured_on}, against the known solution")
    return tuple(lines)
