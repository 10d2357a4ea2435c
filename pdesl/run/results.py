"""From a solution to what a scientist gets: errors, result files, a picture, closing words."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from pdesl.diagnostics import SolverError, Source
from pdesl.lowering.cloud import make_test_points
from pdesl.lowering.places import join_time
from pdesl.run.cells import make_cells
from pdesl.run.drift import Drift, drifts
from pdesl.run.estimate import Estimate
from pdesl.run.io import FieldData, ResultData
from pdesl.run.known import Known
from pdesl.run.metrics import FieldError, field_error, make_metrics
from pdesl.run.moments import Moments
from pdesl.run.observables import Observer, observe
from pdesl.run.outputs import Target
from pdesl.run.report import PictureData, plot_solution
from pdesl.run.report_time import course_picture
from pdesl.run.representation import Representation, at_times, represent
from pdesl.run.solution import Solution, axes_of
from pdesl.solvers.base import Evaluate, SolverResult, Task
from pdesl.symbolic.domain import numeric_value
from pdesl.symbolic.options import settings_of
from pdesl.symbolic.problem import Problem
from pdesl.symbolic.units import base_unit

__all__ = [
    "TEST_POINTS",
    "TargetWriter",
    "closing_lines",
    "collect_metrics",
    "draw_picture",
    "errors_over_time",
    "judge_bounds",
    "make_measure",
    "measure",
    "result_data",
    "solution_picture",
]

# Points that an error is measured at, apart from the nodes of the solution.
TEST_POINTS = 20_000
# From this share of a drift on its error by quadrature is told.
DOUBTFUL = 0.1
# Points and times of the errors over time.
COURSE_POINTS = 2_000
COURSE_TIMES = 21
# Times of the errors over time of a problem in time alone.
COURSE_MOMENTS = 201


def make_measure(
    task: Task, known: Known | None
) -> Callable[[Evaluate], tuple[Mapping[str, FieldError], int]]:
    """A function that measures errors of a solution of the task, all on the same test points."""
    points = np.asarray(make_test_points(task.region, TEST_POINTS, task.options.seed + 1))
    span = task.time_span
    words = (
        f"{len(points):,} test points inside the domain and on its boundary, apart from the nodes"
    )
    times = None
    if span is not None:
        times = np.random.default_rng(task.options.seed + 1).uniform(*span, len(points))
        words += ", at random times"
    if not task.region.dimension:
        words = f"{len(points):,} random times"
    inputs = join_time(task.system, points, times)
    exact = None if known is None else known.evaluate(inputs)

    def measured(evaluate: Evaluate) -> tuple[Mapping[str, FieldError], int]:
        computed = evaluate(inputs)
        for name, values in computed.items():
            if not np.all(np.isfinite(values)):
                raise SolverError(
                    f"the solution `{name}` is not finite at some test points",
                    code="E703",
                    advice="choose precision = float64, or a smaller network",
                )
        if known is None or exact is None:
            return {}, len(inputs)
        errors = {
            f: field_error(computed[f], exact[f], words, known.against, known.errors.get(f))
            for f in task.system.fields
            if f in exact
        }
        return errors, len(inputs)

    return measured


def measure(
    task: Task, result: SolverResult, known: Known | None
) -> tuple[Mapping[str, FieldError], int]:
    """Errors against what is known, on test points that the solution has not seen."""
    return make_measure(task, known)(result.evaluate)


def errors_over_time(
    task: Task, result: SolverResult, known: Known | None
) -> dict[str, list[float | None]]:
    """Relative l2 errors by field at equidistant `times`, the first and the last included.

    Where a field vanishes at a time its error there has no measure and is None. Empty for a
    problem without time or without anything to compare with. Without space an error is relative
    to the root mean square of the field over time, since a value may pass through zero.
    """
    span = task.time_span
    if span is None or known is None:
        return {}
    in_space = task.region.dimension > 0
    count = COURSE_POINTS if in_space else 1
    points = np.asarray(make_test_points(task.region, count, task.options.seed + 3))
    times = np.linspace(*span, COURSE_TIMES if in_space else COURSE_MOMENTS)
    found: dict[str, list[float | None]] = {"times": [float(t) for t in times]}
    inputs = np.concatenate(
        [join_time(task.system, points, np.full(len(points), t)) for t in times]
    )
    computed, exact = result.evaluate(inputs), known.evaluate(inputs)
    for name in exact:
        errors = (computed[name] - exact[name]).reshape(len(times), -1)
        sizes = np.linalg.norm(exact[name].reshape(len(times), -1), axis=1)
        if not in_space:
            sizes = np.full(len(times), np.sqrt(np.mean(sizes**2)))
        found[name] = [
            float(e / s) if s > 0 else None
            for e, s in zip(np.linalg.norm(errors, axis=1), sizes, strict=True)
        ]
    return found


# -- writing -------------------------------------------------------------------------------


def result_data(
    task: Task,
    result: SolverResult,
    source: Source,
    known: Known | None,
    times: np.ndarray | None = None,
    *,
    settings: Sequence[str] = (),
    profile: str | None = None,
    function: tuple[Representation, Mapping[str, float]] | None = None,
) -> ResultData:
    """What is saved of a solution at the nodes: at `times` (T,), else at the end.

    At the end the file holds the solution as a function too, `function` with its distance from the
    method's own values (see `represent`). `settings` and `profile` say how the problem was changed.
    """
    system, problem, cloud = task.system, task.system.problem, result.cloud
    points = cloud.evaluation
    span = task.time_span

    def at_nodes(evaluate: Evaluate) -> dict[str, np.ndarray]:
        if times is None:
            last = None if span is None else np.full(len(points), span[1])
            return evaluate(join_time(system, points, last))
        return at_times(evaluate, system, points, times)

    computed = at_nodes(result.evaluate)
    exact = at_nodes(known.evaluate) if known is not None else {}
    units = {c: base_unit(f.unit) or "1" for f in problem.fields for c in f.components}
    first = len(cloud.interior)
    part = np.full(len(points), -1)
    part[first:] = cloud.part
    normals = np.full(points.shape, np.nan)
    normals[first:] = cloud.normals
    attributes: dict[str, str | int | float] = {
        "problem": source.text,
        "problem_hash": problem.hash,
        "method": result.method,
        "seed": task.options.seed,
        "overrides": json.dumps(list(settings), ensure_ascii=False),
        "profile": profile or "",
    }
    if span is not None and times is None:
        attributes["time"] = span[1]
    if known is not None and known.words:
        attributes["reference"] = known.against
    arrays, own = dict(result.arrays), dict(result.attributes)
    if times is None:
        kept, distance = function or represent(task, result)
        arrays |= kept.arrays()
        own |= {
            **kept.attributes(),
            "kind": kept.kind,
            "axes": json.dumps([asdict(a) for a in axes_of(task)], ensure_ascii=False),
            "fields": json.dumps(list(system.fields), ensure_ascii=False),
            "distance": json.dumps(dict(distance), ensure_ascii=False),
        }
    return ResultData(
        title=problem.name,
        coordinates={s.name: points[:, i] for i, s in enumerate(system.space_symbols)},
        coordinate_units={c.name: c.unit or "1" for c in problem.coordinates},
        fields={
            f: FieldData(computed[f], exact.get(f), units.get(f) or "1") for f in system.fields
        },
        kind=(np.arange(len(points)) >= first).astype(int),
        part=part if task.region.dimension else None,
        part_names=tuple(cloud.part_names),
        normals=normals,
        network=arrays,
        network_attributes=own,
        history=dict(result.history),
        attributes=attributes,
        times=times,
        time_name="t" if system.time_symbol is None else system.time_symbol.name,
    )


@dataclass(slots=True)
class TargetWriter:
    """The data of each file that a run writes; what files share is made once.

    `numbers` are the last values of what was one number at a time, as the problem writes it, and
    `drifts` how those that measure the whole domain moved.
    """

    task: Task
    result: SolverResult
    source: Source
    known: Known | None
    settings: Sequence[str]
    profile: str | None
    numbers: dict[str, float] = field(default_factory=dict)
    drifts: dict[str, Drift] = field(default_factory=dict)
    _kept: tuple[Representation, Mapping[str, float]] | None = None

    def resolved(self, target: Target) -> Target:
        """A file with the times that the solution tells."""
        if target.condition is None and not target.steps:
            return target
        return Moments(self.task, self.result, self._function()[0]).resolved(target)

    def _function(self) -> tuple[Representation, Mapping[str, float]]:
        if self._kept is None:
            self._kept = represent(self.task, self.result)
        return self._kept

    def data(self, target: Target) -> ResultData:
        kept = self._function()
        whole = result_data(
            self.task, self.result, self.source, self.known, target.times,
            settings=self.settings, profile=self.profile, function=kept,
        )  # fmt: skip
        data = whole.select(target.fields)
        points = self.result.cloud.evaluation
        if target.derived:
            observer = Observer(self.task, self.result.evaluate, kept[0])
            columns, numbers = observe(observer, target.derived, points, target.times)
            self.numbers |= {
                n.long_name: float(np.atleast_1d(n.values)[-1]) for n in numbers.values()
            }
            self.drifts |= drifts(observer, target.derived, target.times)
            known = {q.name: q for q in target.derived}
            data = data.adding(
                {n: FieldData(v, None, known[n].unit, known[n].label) for n, v in columns.items()},
                numbers,
            )
        if target.name.lower().endswith((".vtu", ".xdmf")):
            data = replace(data, cells=make_cells(points, self.task.region))
        return data


def draw_picture(
    path: Path,
    task: Task,
    result: SolverResult,
    known: Known | None,
    course: Mapping[str, Sequence[float | None]],
) -> None:
    """The picture of a run; `course` are the errors over time."""
    system, problem, cloud = task.system, task.system.problem, result.cloud
    span = task.time_span
    units = {c: base_unit(f.unit) or "" for f in problem.fields for c in f.components}
    units |= {c.name: c.unit or "" for c in problem.coordinates}
    if not task.region.dimension:
        exact = None if known is None else known.evaluate
        assert result.times is not None
        made = course_picture(
            task, result.method, result.evaluate, exact, result.history, result.times
        )
        plot_solution(path, replace(made, units=units))
        return
    title = problem.name if span is None else f"{problem.name} at t = {span[1]:g}"

    def at_end(function: Callable[[np.ndarray], dict[str, np.ndarray]] | None) -> Any:
        if function is None or span is None:
            return function
        last = span[1]
        return lambda x: function(join_time(task.system, x, np.full(len(x), last)))

    def moment(function: Evaluate) -> Callable[[np.ndarray, float], Mapping[str, np.ndarray]]:
        return lambda x, t: function(join_time(task.system, x, np.full(len(x), t)))

    lower, upper = task.region.bounding_box()
    shown = ("iteration", "loss") if "loss" in result.history else ("time", "residual")
    shown = shown if all(name in result.history for name in shown) else ()
    history = {k: v for k, v in result.history.items() if k in shown}
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
            exact=at_end(None if known is None else known.evaluate),
            times=span,
            over_time=None if span is None else moment(result.evaluate),
            exact_over_time=None if span is None or known is None else moment(known.evaluate),
            course=course,
            history=history,
            units=units,
        ),
    )


def solution_picture(solution: Solution) -> bytes:
    """The picture of a run, as the content of a PNG, for a solution in memory."""
    from tempfile import TemporaryDirectory

    known = solution.known
    course = errors_over_time(solution.task, solution.result, known)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "picture.png"
        draw_picture(path, solution.task, solution.result, known, course)
        return path.read_bytes()


def collect_metrics(
    task: Task,
    method: str,
    result: SolverResult,
    errors: Mapping[str, FieldError],
    *,
    points: int,
    overrides: Sequence[str],
    timings: Mapping[str, float],
) -> dict[str, object]:
    """The content of `metrics.json`, without its files."""
    import jax

    device = jax.devices()[0]
    problem = task.system.problem
    metrics = make_metrics(
        problem=problem.name,
        problem_hash=problem.hash,
        solver=method,
        settings=settings_of(task.options),
        overrides=overrides,
        seed=task.options.seed,
        device=f"{device.platform}: {device.device_kind}",
        precision=result.precision,
        errors=errors,
        losses=result.losses,
        counts={**result.counts, "test_points": points},
        timings=timings,
        stop_reason=result.stop_reason,
        notes=result.notes,
    )
    metrics["compile_seconds"] = result.compile_seconds
    metrics["compilation"] = dict(result.compilation)
    metrics["devices"] = task.devices
    metrics["quality"] = dict(result.quality)
    origin = result.cloud.origin
    metrics["inputs"] = (
        {} if origin is None else {origin.path: {"bytes": origin.size, "sha256": origin.sha256}}
    )
    return metrics


def judge_bounds(problem: Problem, errors: Mapping[str, FieldError]) -> list[dict[str, object]]:
    """The bounds of `verify:` that a single run can judge, each with what was measured."""
    found: list[dict[str, object]] = []
    judged = [(check, component) for check in problem.verify for component in check.fields]
    for check, component in judged:
        name = "relative_l2" if check.quantity.name == "error" else check.quantity.name
        if name not in ("relative_l2", "linf") or component not in errors:
            continue
        measured = getattr(errors[component], name)
        bound = numeric_value(check.bound, problem.parameter_values(), check.span, "a bound")
        # The error of a reference counts against the solution that is measured by it.
        doubt = (errors[component].reference_error or 0.0) if name == "relative_l2" else 0.0
        met = measured is not None and (
            measured + doubt <= bound if check.operator == "<=" else measured >= bound
        )
        found.append(
            {
                "quantity": f"{name}({component})",
                "operator": check.operator,
                "bound": bound,
                "measured": measured,
                "met": met,
            }
        )
    return found


def closing_lines(
    result: SolverResult,
    errors: Mapping[str, FieldError],
    bounds: Sequence[Mapping[str, object]],
    known: Known | None,
    estimate: Estimate | None = None,
    drifts: Mapping[str, Drift] | None = None,
) -> tuple[str, ...]:
    """The last lines: the accuracy reached and how it was measured."""
    count = result.counts.get("iterations", 0)
    lines = [f"stopped: {result.stop_reason} ({count:,} iteration{'' if count == 1 else 's'})"]
    lines += result.notes
    for label, drift in (drifts or {}).items():
        doubt = ""
        if drift.quadrature > DOUBTFUL * drift.largest:
            doubt = f" of which the quadrature may be {drift.quadrature:.1e}"
        lines.append(
            f"{label}: {drift.first:.6g} at the start, {drift.last:.6g} at the end, largest "
            f"relative drift {drift.largest:.1e}{doubt}"
        )
    if known is None or not errors:
        if estimate is not None:
            return (*lines, *estimate.lines())
        line = "no known solution to compare with"
        if "total" in result.losses:
            line += f"; the mean squared residual is {result.losses['total']:.2e} on the points of "
            line += "the training"
        else:
            line += ": name another method as `reference` in `verify:` to measure an error"
        return (*lines, line)
    for name, error in errors.items():
        size = "" if error.relative_l2 is None else f"relative l2 error {error.relative_l2:.2e}, "
        lines.append(f"{name}: {size}largest error {error.linf:.2e}")
    for bound in bounds:
        words = "met" if bound["met"] else "MISSED"
        lines.append(f"{bound['quantity']} {bound['operator']} {bound['bound']:g}: {words}")
    lines.append(f"measured on {next(iter(errors.values())).measured_on}, against {known.against}")
    return (*lines, *known.words)
