"""A fitted model run forwards from a new initial state: `pdesl predict`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from pdesl.diagnostics import OutputError, SolverError, Source
from pdesl.ir.evolution import to_evolution
from pdesl.ir.normalise import normalise
from pdesl.ir.system import System
from pdesl.lowering.learned import Learned
from pdesl.lowering.to_learned import Lowered
from pdesl.run.folder import OutputFolder
from pdesl.run.io import FieldData, ResultData, check_suffix, writer_for
from pdesl.run.metrics import make_metrics
from pdesl.run.model_file import SavedModel, load_model
from pdesl.run.predict_picture import draw_prediction
from pdesl.run.progress import Observer, SilentObserver
from pdesl.run.progress import stage as observed
from pdesl.run.reporting import make_reporter
from pdesl.solvers.base import Task
from pdesl.solvers.binding import bind_options
from pdesl.solvers.fit_choices import adaptive_steps, fit_choices, space_choices
from pdesl.solvers.fit_model import FitModel
from pdesl.solvers.fit_prepare import build_model, scheme_of
from pdesl.solvers.fit_states import at_points, state_of_tables
from pdesl.solvers.fit_steps import is_adaptive, too_many_steps
from pdesl.solvers.learned_lines import discretise, first_networks
from pdesl.solvers.methods import method_named
from pdesl.symbolic.data_file import read_data_file
from pdesl.symbolic.domain import make_region
from pdesl.symbolic.elaborate import elaborate_source
from pdesl.symbolic.problem import Problem
from pdesl.symbolic.units import base_unit

__all__ = ["PredictReport", "Prediction", "predict"]

# States of a prediction that are kept, unless told otherwise, and the most there may be.
FRAMES = 200
MOST_FRAMES = 100_000
# Steps of one compiled program.
CHUNK = 500


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """A course of a fitted model: `values` are (T, M) by field at `points` (M, d)."""

    times: np.ndarray
    points: np.ndarray | None
    values: dict[str, np.ndarray]


@dataclass(frozen=True, slots=True)
class PredictReport:
    """What `predict` wrote."""

    folder: Path
    metrics: dict[str, object]
    files: tuple[Path, ...]
    lines: tuple[str, ...]
    prediction: Prediction


@dataclass(frozen=True, slots=True)
class _Steps:
    """How a course is stepped: an integrator, its dt, its tolerance, whether dt is halved."""

    scheme: str
    dt: float
    rtol: float
    adaptive: bool

    @property
    def words(self) -> str:
        return f"{self.scheme}, step {self.dt:.4g}{' and halvings of it' * self.adaptive}"


def predict(
    model: Path,
    *,
    initial: Path | None = None,
    overrides: Sequence[str] = (),
    until: float | None = None,
    every: float | None = None,
    output: Path | None = None,
    observer: Observer | None = None,
) -> PredictReport:
    """Run a fitted model forwards.

    Args:
        model: the folder of a fit, or its `model.h5`.
        initial: CSV, NPZ or HDF5 with the fields at the points of the model; of several times
            the last one starts.
        overrides: `initial.u=formula` gives the start; `solver.time=…` other steps than those of
            the fit; other settings change the problem.
        until: last time; by default that of the domain.
        every: distance of the times that are kept; by default a 200th of the course.
        output: the folder; `prediction` in that of the fit by default.
        observer: hears of stages.

    Without `initial` and settings, the start is that of the problem, or the last measured state.

    Raises:
        OutputError: E830, no model; or a result that cannot be written.
        ProblemError: settings or an initial state that are wrong (E540 to E545).
        SolverError: E752, a course that is not finite.
    """
    observer = SilentObserver() if observer is None else observer
    timings: dict[str, float] = {}
    with observed(observer, "model", timings) as note:
        saved = load_model(model)
        folder = model if model.is_dir() else model.parent
        source = Source(f"{saved.title}.pde", saved.text, saved.folder)
        problem = elaborate_source(source, tuple(overrides))
        system = to_evolution(normalise(problem))
        lowered, task = _rebuilt(problem, system, saved, observer, timings)
        learned = _learned(saved, lowered, task)
        note.text = f"{lowered.learned.size:,} values"
    state, start = _start(problem, lowered, saved, learned, initial, overrides)
    last = until if until is not None else _end_of(task)
    if not last > start:
        raise OutputError(
            f"the course starts at {start:g}, and is to end at {last:g}",
            code="E830",
            advice="give a later time, `--until T`",
        )
    steps = _steps(saved, lowered, task, overrides)
    with observed(observer, "steps", timings) as note:
        prediction = _course(lowered, steps, learned, state, start, last, every)
        note.text = steps.words
    with OutputFolder(output or folder / "prediction") as place:
        with observed(observer, "files", timings):
            _write(place, problem, system, prediction)
        metrics = _metrics(problem, saved, steps, prediction, overrides, timings)
        files = place.commit(metrics)
    return PredictReport(place.path, metrics, files, _lines(prediction), prediction)


# -- the model -----------------------------------------------------------------------------


def _rebuilt(
    problem: Problem, system: System, saved: SavedModel, observer: Observer,
    timings: dict[str, float],
) -> tuple[Lowered, Task]:  # fmt: skip
    method = method_named("sinode")
    values = problem.parameter_values()
    assert problem.solver is not None
    options = bind_options(method, problem.solver, values)
    region = make_region(problem.shape, system.space_symbols, values)
    task = Task(normalise(problem), region, values, options)
    lines = space_choices(options, system, values)
    span = task.time_span
    assert span is not None
    del saved
    return discretise(task, system, lines, span[0], make_reporter(observer, timings)), task


def _learned(saved: SavedModel, lowered: Lowered, task: Task) -> Learned:
    """What was learned, by name; an unknown that a setting made a number is that number."""
    own = lowered.learned.unknowns
    free = own.to_free(own.start)
    known = dict(zip(saved.names, saved.free, strict=True))
    free = np.array([known.get(n, z) for n, z in zip(own.names, free, strict=True)])
    choices = fit_choices(task.system.problem, dict(task.values))
    networks = first_networks(lowered, choices, saved.seed, saved.scales)
    found = []
    for name, network in zip(lowered.learned.closures, networks, strict=True):
        arrays, rest = eqx.partition(network, eqx.is_inexact_array)
        leaves, structure = jax.tree.flatten(arrays)
        stored = saved.networks.get(name, [])
        if [a.shape for a in stored] != [a.shape for a in leaves]:
            raise OutputError(
                f"the closure `{name}` of the model has other sizes",
                code="E830",
                advice="leave the closures and the discretisation as they were fitted",
            )
        arrays = jax.tree.unflatten(structure, [jnp.asarray(a) for a in stored])
        found.append(eqx.combine(arrays, rest))
    return Learned(jnp.asarray(free, float), tuple(found))


def _steps(saved: SavedModel, lowered: Lowered, task: Task, overrides: Sequence[str]) -> _Steps:
    """The steps of the fit, or those that settings ask for."""
    given = [text.split("=", 1)[0].strip() for text in overrides]
    if not any(name.startswith(("solver.time", "solver.method")) for name in given):
        return _Steps(saved.scheme, saved.step, saved.rtol, saved.adaptive)
    scheme, own = scheme_of(task.options, lowered, task.values)
    adaptive = adaptive_steps(scheme, own) and not is_adaptive(scheme)
    return _Steps(scheme, own.dt or saved.step, own.rtol, adaptive)


def _end_of(task: Task) -> float:
    span = task.time_span
    assert span is not None
    return span[1]


def _start(
    problem: Problem, lowered: Lowered, saved: SavedModel, learned: Learned,
    initial: Path | None, overrides: Sequence[str],
) -> tuple[np.ndarray, float]:  # fmt: skip
    first = lowered.learned.first_time
    if initial is not None:
        return _state_of_file(lowered, initial), first
    if lowered.learned.start:
        return np.asarray(lowered.learned.initial(learned)[0]), first
    given = [text.split("=", 1)[0].strip() for text in overrides]
    if any(name.startswith("initial.") for name in given):
        missing = ", ".join(f"`{f}`" for f in lowered.system.fields)
        raise OutputError(
            "the settings do not give the start of every field",
            code="E830",
            advice=f"give all of {missing}, `--set initial.{lowered.system.fields[0]}=…`",
        )
    del problem
    return saved.last_state, saved.last_time


def _state_of_file(lowered: Lowered, path: Path) -> np.ndarray:
    file = read_data_file(path.name, str(path.parent))
    names = [s.name for s in lowered.system.space_symbols]
    axes = [file.arrays[n].ravel() for n in names if n in file.arrays]
    places: np.ndarray | None = None
    if lowered.points is not None and len(axes) == len(names):
        lengths = {len(a) for a in axes}
        count = next((file.arrays[f].shape[-1] for f in lowered.system.fields
                      if f in file.arrays), 0)  # fmt: skip
        if len(lengths) == 1 and (len(axes) == 1 or count == len(axes[0])):
            places = np.stack(axes, axis=1)
        else:
            mesh = np.meshgrid(*axes, indexing="ij")
            places = np.stack([m.ravel() for m in mesh], axis=1)
    tables = []
    for field in lowered.system.fields:
        if field not in file.arrays:
            raise _wrong_start(path, f"it has no `{field}`",
                               f"give it all of {', '.join(lowered.system.fields)}")  # fmt: skip
        tables.append(_last_values(file.arrays[field], places, lowered, path, field))
    return state_of_tables(lowered, np.stack(tables))


def _last_values(
    array: np.ndarray, places: np.ndarray | None, lowered: Lowered, path: Path, field: str
) -> np.ndarray:
    if lowered.points is None:
        return np.ravel(array)[-1:]
    count = len(places) if places is not None else len(lowered.points)
    flat = np.asarray(array, float)
    if flat.size % count:
        message = f"`{field}` has {flat.size:,} values for {count:,} places"
        raise _wrong_start(path, message, "order its axes as time, place")
    found = at_points(lowered, flat.reshape(-1, count)[-1], places)
    if found is None or not np.all(np.isfinite(found)):
        raise _wrong_start(
            path, f"`{field}` is not given at all {len(lowered.points):,} points of the model",
            "give it there; a result of `pdesl run` on the same points does",
        )  # fmt: skip
    return found


def _wrong_start(path: Path, what: str, remedy: str) -> OutputError:
    return OutputError(
        f"`{path}` cannot start a prediction: {what}", code="E830", advice=remedy
    )  # fmt: skip


# -- the course ----------------------------------------------------------------------------


@eqx.filter_jit
def _advance(model: FitModel, learned: Learned, state: Any, start: Any) -> Any:
    return model.course(learned, state, start, "discrete_adjoint")[:, 0]


@eqx.filter_jit
def _tables(model: FitModel, learned: Learned, states: Any, times: Any) -> Any:
    return model.system.tables(states, times, learned)


def _course(
    lowered: Lowered, steps: _Steps, learned: Learned, state: np.ndarray, start: float,
    last: float, every: float | None,
) -> Prediction:  # fmt: skip
    total = max(1, math.ceil((last - start) / steps.dt - 1e-9))
    dt = (last - start) / total
    skip = max(1, total // FRAMES if every is None else round(every / dt))
    if total // skip > MOST_FRAMES:
        skip = math.ceil(total / MOST_FRAMES)
    kept, clock = [state], [start]
    done = 0
    while done < total:
        count = min(CHUNK, total - done)
        model = build_model(
            lowered, scheme=steps.scheme, dt=dt, count=count, rtol=steps.rtol,
            adaptive=steps.adaptive,
        )  # fmt: skip
        begin = jnp.full((1,), start + done * dt)
        course = np.asarray(_advance(model, learned, jnp.asarray(state[None]), begin))
        bad = ~np.isfinite(course).all(axis=1)
        if bad.any() and steps.adaptive:
            raise too_many_steps(f"the course from t = {start + done * dt:g} has no end", model)
        if bad.any():
            when = start + (done + int(np.argmax(bad))) * dt
            raise SolverError(
                f"the model is not finite from t = {when:g} on",
                code="E752",
                advice="start nearer to the states that it was fitted to, or fit longer windows",
            )
        for step in range(1, count + 1):
            if (done + step) % skip == 0 or done + step == total:
                kept.append(course[step])
                clock.append(start + (done + step) * dt)
        state = course[-1]
        done += count
    times, states = np.array(clock), jnp.asarray(np.stack(kept))
    model = build_model(lowered, scheme=steps.scheme, dt=dt, count=1)
    tables = np.asarray(_tables(model, learned, states, jnp.asarray(times[:, None])))
    tables = tables[:, :, : lowered.learned.places]
    values = {name: tables[:, k] for k, name in enumerate(lowered.system.fields)}
    return Prediction(times, lowered.points, values)


def _write(
    place: OutputFolder, problem: Problem, system: System, prediction: Prediction
) -> None:  # fmt: skip
    title = f"{problem.name}, predicted"
    time = "t" if system.time_symbol is None else system.time_symbol.name
    place.write(
        "prediction.png", lambda path: draw_prediction(path, title, system, prediction)
    )  # fmt: skip
    if prediction.points is None:
        names = list(prediction.values)
        table = np.column_stack([prediction.times, *(prediction.values[n] for n in names)])
        header = ",".join([time, *names])
        place.write(
            "prediction.csv",
            lambda path: np.savetxt(path, table, delimiter=",", header=header, comments=""),
        )
        return
    points = prediction.points
    units = {c: base_unit(f.unit) or "1" for f in problem.fields for c in f.components}
    data = ResultData(
        title=title,
        coordinates={s.name: points[:, i] for i, s in enumerate(system.space_symbols)},
        fields={n: FieldData(v, None, units.get(n, "1")) for n, v in prediction.values.items()},
        kind=np.zeros(len(points), dtype=int),
        attributes={"problem": problem.to_pde(), "method": "sinode"},
        times=prediction.times,
        time_name=time,
    )
    check_suffix("prediction.h5")
    place.write("prediction.h5", writer_for("prediction.h5", data))


def _metrics(
    problem: Problem, saved: SavedModel, steps: _Steps, prediction: Prediction,
    overrides: Sequence[str], timings: dict[str, float],
) -> dict[str, object]:  # fmt: skip
    device = jax.devices()[0]
    found = make_metrics(
        problem=problem.name,
        problem_hash=problem.hash,
        solver="sinode",
        settings={"scheme": steps.scheme, "step": steps.dt, "adaptive": steps.adaptive},
        overrides=overrides,
        seed=saved.seed,
        device=f"{device.platform}: {device.device_kind}",
        precision="float64",
        errors={},
        losses={},
        counts={"kept_times": len(prediction.times)},
        timings=timings,
        stop_reason="the last time is reached",
    )
    found["last_time"] = float(prediction.times[-1])
    return found


def _lines(prediction: Prediction) -> tuple[str, ...]:
    first, last = prediction.times[0], prediction.times[-1]
    found = [f"from t = {first:g} to t = {last:g}, {len(prediction.times):,} times kept"]
    for name, values in prediction.values.items():
        found.append(f"{name}: from {values.min():.4g} to {values.max():.4g}, "
                     f"root mean square {np.sqrt(np.mean(values**2)):.4g}")  # fmt: skip
    return tuple(found)
