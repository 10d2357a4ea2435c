"""From a solution to what a scientist gets: errors, result files, a picture, closing words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pdesl.diagnostics import SolverError, Source
from pdesl.lowering.cloud import make_test_points
from pdesl.lowering.emit import evaluate_at
from pdesl.lowering.places import Places, join_time
from pdesl.run.io import FieldData, ResultData
from pdesl.run.metrics import FieldError, field_error, make_metrics
from pdesl.run.report import PictureData, plot_solution
from pdesl.solvers.base import Evaluate, SolverResult, Task
from pdesl.symbolic.domain import numeric_value
from pdesl.symbolic.options import settings_of
from pdesl.symbolic.problem import Problem

__all__ = [
    "TEST_POINTS",
    "closing_lines",
    "collect_metrics",
    "draw_picture",
    "exact_solution",
    "judge_bounds",
    "make_measure",
    "measure",
    "result_data",
]

# Points that an error is measured at, apart from the nodes of the solution.
TEST_POINTS = 20_000


def exact_solution(task: Task) -> Callable[[np.ndarray], dict[str, np.ndarray]] | None:
    """The known solution as a function of inputs in the problem's order."""
    system = task.system
    if not system.exact:
        return None
    axis = system.frame.time_axis

    def exact(inputs: np.ndarray) -> dict[str, np.ndarray]:
        times = None if axis is None else inputs[:, axis]
        points = inputs if axis is None else np.delete(inputs, axis, axis=1)
        values = evaluate_at(
            [system.exact[f] for f in system.fields],
            system,
            Places(points, None, times),
            task.values,
        )
        return {
            f: np.broadcast_to(np.asarray(v, float), (len(inputs),)).copy()
            for f, v in zip(system.fields, values, strict=True)
        }

    return exact


def make_measure(task: Task) -> Callable[[Evaluate], tuple[Mapping[str, FieldError], int]]:
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
    inputs = join_time(task.system, points, times)
    exact = exact_solution(task)
    known = None if exact is None else exact(inputs)

    def measured(evaluate: Evaluate) -> tuple[Mapping[str, FieldError], int]:
        computed = evaluate(inputs)
        for name, values in computed.items():
            if not np.all(np.isfinite(values)):
                raise SolverError(
                    f"the solution `{name}` is not finite at some test points",
                    code="E703",
                    advice="choose precision = float64, or a smaller network",
                )
        if known is None:
            return {}, len(inputs)
        fields = task.system.fields
        return {f: field_error(computed[f], known[f], words) for f in fields}, len(inputs)

    return measured


def measure(task: Task, result: SolverResult) -> tuple[Mapping[str, FieldError], int]:
    """Errors against the known solution on test points that the solution has not seen."""
    return make_measure(task)(result.evaluate)


# -- writing -------------------------------------------------------------------------------


def result_data(task: Task, result: SolverResult, source: Source) -> Any:
    system, problem, cloud = task.system, task.system.problem, result.cloud
    points = cloud.evaluation
    span = task.time_span
    times = None if span is None else np.full(len(points), span[1])
    inputs = join_time(task.system, points, times)
    computed = result.evaluate(inputs)
    exact = exact_solution(task)
    known = exact(inputs) if exact is not None else {}
    units = {c: f.unit or "1" for f in problem.fields for c in f.components}
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
    }
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


def draw_picture(path: Path, task: Task, result: SolverResult) -> None:
    system, problem, cloud = task.system, task.system.problem, result.cloud
    span = task.time_span
    title = problem.name if span is None else f"{problem.name} at t = {span[1]:g}"

    def at_end(function: Callable[[np.ndarray], dict[str, np.ndarray]] | None) -> Any:
        if function is None or span is None:
            return function
        last = span[1]
        return lambda x: function(join_time(task.system, x, np.full(len(x), last)))

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
            exact=at_end(exact_solution(task)),
            history=history,
            units={c: f.unit for f in problem.fields for c in f.components if f.unit},
        ),
    )


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
    return metrics


def judge_bounds(problem: Problem, errors: Mapping[str, FieldError]) -> list[dict[str, object]]:
    """The bounds of `verify:` that a single run can judge, each with what was measured."""
    found: list[dict[str, object]] = []
    for check in problem.verify:
        name = check.quantity.name
        (field,) = (
            getattr(getattr(p, "func", None), "__name__", "") for p in check.quantity.positional[:1]
        )
        if name == "error":
            name = "relative_l2"
        if name not in ("relative_l2", "linf") or field not in errors:
            continue
        measured = getattr(errors[field], name)
        bound = numeric_value(check.bound, problem.parameter_values(), check.span, "a bound")
        met = measured is not None and (
            measured <= bound if check.operator == "<=" else measured >= bound
        )
        found.append(
            {
                "quantity": f"{name}({field})",
                "operator": check.operator,
                "bound": bound,
                "measured": measured,
                "met": met,
            }
        )
    return found


def closing_lines(
    result: SolverResult, errors: Mapping[str, FieldError], bounds: Sequence[Mapping[str, object]]
) -> tuple[str, ...]:
    """The last lines: the accuracy reached and how it was measured."""
    lines = [f"stopped: {result.stop_reason} ({result.counts.get('iterations', 0):,} iterations)"]
    lines += result.notes
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
    lines.append(
        f"measured on {next(iter(errors.values())).measured_on}, against the known solution"
    )
    return tuple(lines)
