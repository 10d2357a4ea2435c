"""Learned dynamics: unknown numbers and closures of an evolution equation, fitted to data.

    u' = E(t, u; p) + A(p) u + b(t; p),        min over p of the misfit of its courses and the data

The linear stiff part A is implicit, the rest with its networks explicit, so that steps are as long
as the data allow; gradients come from the discrete adjoint of the steps (H. Zhang, Y. Liu and R.
Maulik, "Semi-implicit neural ordinary differential equations", 2024, theorem 4.1).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import numpy as np
from jax import Array

from pdesl.lowering.devices import make_mesh, replicated
from pdesl.lowering.learned import Learned
from pdesl.lowering.measurements import Measurements
from pdesl.lowering.to_learned import Lowered
from pdesl.solvers.base import Reporter, Task, TrainingReport
from pdesl.solvers.fit_damped import DampedResult, covariance, minimise_damped
from pdesl.solvers.fit_descent import (
    EpochReport,
    batches_of,
    descend,
    first_state,
)
from pdesl.solvers.fit_model import Batch, FitModel, in_precision, make_batch
from pdesl.solvers.fit_options import FitOptions
from pdesl.solvers.fit_prepare import (
    Prepared,
    course_of,
    deviation_of,
    error_of_steps,
    is_adaptive,
    prepare,
    probe_windows,
    with_right_steps,
)
from pdesl.solvers.fit_speed import MOST_EVALUATIONS, count_adaptive
from pdesl.solvers.keeping import Keeper
from pdesl.solvers.lbfgs import LBFGS
from pdesl.solvers.rollout import count_evaluations
from pdesl.solvers.rollout_reverse import make_plan
from pdesl.solvers.training import Progress, Stopping, StopReason, minimise
from pdesl.solvers.training_state import state_of_arrays, state_to_arrays

__all__ = ["FitResult", "Fitted", "TermResult", "fit"]

#: What makes the arrays of a checkpoint.
Arrays = Callable[[], dict[str, np.ndarray]]

# Fits with steps that turned out too long for the result are repeated so often.
MOST_REFITS = 4
# Between the jumps that one stage of a fit with several windows allows, and the next.
STAGE = 30.0


@dataclass(frozen=True, slots=True, eq=False)
class TermResult:
    """A term of the fit: measured and modelled values (W, K, P) at times (W, K)."""

    data: str
    times: np.ndarray
    measured: np.ndarray
    modelled: np.ndarray
    deviation: float | None
    places: np.ndarray | None


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """A model that can be stepped: the system, what was learned, and how its steps are made."""

    lowered: Lowered
    model: FitModel
    learned: Learned
    scales: Mapping[str, tuple[float, ...]]


@dataclass(frozen=True, slots=True, eq=False)
class FitResult:
    """A fit.

    Attributes:
        fitted: the model with what was learned.
        values: of the unknowns; `errors` their standard errors (NaN where there is none) and
            `correlation` (p, p), None unless Levenberg and Marquardt's method was used.
        history: `iteration`, `loss`, and `validation`, `rate`, `seconds` for epochs.
        losses: misfit over the data of the training, and of the validation.
        counts, notes: for the metrics and the closing lines.
        terms: data beside the model.
        last_state, last_time: the last measured state, or the end of the course.
    """

    fitted: Fitted
    values: Mapping[str, float]
    errors: Mapping[str, float]
    correlation: np.ndarray | None
    history: Mapping[str, np.ndarray]
    losses: Mapping[str, float]
    counts: Mapping[str, int]
    notes: tuple[str, ...]
    terms: tuple[TermResult, ...]
    last_state: np.ndarray
    last_time: float
    stop_reason: str
    interrupted: bool
    optimiser: str


# -- the fit -------------------------------------------------------------------------------


def fit(
    task: Task,
    data: Mapping[str, Measurements],
    reporter: Reporter,
) -> FitResult:
    """Fit a problem that `fit_mistakes` finds nothing against.

    Args:
        task: `options` are `SinodeOptions`; its memory keeps the state at the end too, from which
            a longer fit goes on.
        data: measurements by data set.
        reporter: hears of stages, iterations and remarks.

    Raises:
        ProblemError, SolverError: see `prepare`; E750 a misfit that is not finite, E751 too many
            numbers for Levenberg and Marquardt's method.
    """
    prepared = prepare(task, data, reporter)
    if task.devices > 1 and prepared.model.devices == 1:
        reporter.say("one course is stepped as a whole: it is not divided among devices")
    name = prepared.choices.optimiser
    if name == "levenberg_marquardt":
        if prepared.model.gradient == "continuous_adjoint":
            reporter.say(
                "levenberg_marquardt differentiates the steps themselves, forwards: "
                "`gradient = continuous_adjoint` serves `optimizer = adam` and `lbfgs`"
            )
        return _fit_damped(prepared, reporter)
    if name == "lbfgs":
        return _fit_lbfgs(prepared, reporter)
    return _fit_adam(prepared, reporter)


def _batches(prepared: Prepared) -> tuple[Batch, Batch | None]:
    windows = prepared.windows
    training = windows.subset(~windows.held_out)
    first = make_batch(training, prepared.steps, prepared.pairs, prepared.sets)
    if not windows.held_out.any():
        return first, None
    held = windows.subset(windows.held_out)
    return first, make_batch(held, prepared.steps, prepared.pairs, prepared.sets)


def _memory(prepared: Prepared, reporter: Reporter) -> tuple[Mapping[str, np.ndarray], Keeper]:
    """What the fit goes on from, empty for a new one; and what keeps its state."""
    task = prepared.task
    held = None if task.memory is None else task.memory.load()
    if held:
        reporter.say("resumed from the checkpoint")
    return held or {}, Keeper(task.memory, task.options.checkpoint)


def _fit_damped(prepared: Prepared, reporter: Reporter) -> FitResult:
    own = prepared.choices.optimiser_options
    learned, result = prepared.learned, None
    losses: list[float] = []
    limit = prepared.choices.fit.seconds

    def report(number: int, loss: float, seconds: float) -> None:
        done = len(losses) + number
        reporter.train(
            TrainingReport(done, loss, seconds, own.iterations, limit, "levenberg_marquardt")
        )

    evaluations = 0
    error = 0.0
    held, keeper = _memory(prepared, reporter)
    rounds: dict[str, np.ndarray] = {}  # what was learned before the steps were made smaller

    latest: Arrays = dict

    def keep(arrays: Arrays, must: bool) -> None:
        nonlocal latest
        latest = arrays
        keeper.offer(lambda: {**rounds, **arrays()}, must=must)

    with reporter.stage("fit") as note:
        for number in range(MOST_REFITS):
            training, _ = _batches(prepared)
            before = f"round{number}"
            if any(name.startswith(before) for name in held):
                rounds |= {n: a for n, a in held.items() if n.startswith(before)}
                own_arrays, static = eqx.partition(learned, eqx.is_inexact_array)
                found = {n.removeprefix(before): a for n, a in rounds.items()}
                learned = eqx.combine(state_of_arrays(own_arrays, found), static)
                losses += found["losses"].tolist()
                evaluations += int(found["evaluations"])
                prepared, error = with_right_steps(prepared, learned)
                continue

            result = minimise_damped(
                prepared.model, learned, training, iterations=own.iterations, damping=own.damping,
                tolerance=own.tolerance, seconds=limit, report=report,
                loosened=() if losses else _loosened(prepared.choices.fit), keep=keep,
                held=held if "vector" in held else None,
            )  # fmt: skip
            learned, held = result.learned, {}
            losses += result.losses
            evaluations += result.evaluations
            if prepared.is_step_given or result.interrupted:
                break
            error = error_of_steps(prepared, learned)
            if error <= 10 * prepared.rtol:
                break
            ended = {
                **state_to_arrays(eqx.filter(learned, eqx.is_inexact_array)),
                "losses": np.array(result.losses),
                "evaluations": np.array(result.evaluations),
            }
            rounds |= {f"{before}{name}": array for name, array in ended.items()}
            keep(dict, True)
            prepared, error = with_right_steps(prepared, learned)
        assert result is not None
        keep(latest, True)
        note.text = f"{len(losses) - 1:,} iterations, {result.stop_reason}"
    history = {"iteration": np.arange(len(losses)), "loss": np.array(losses)}
    return _result(
        prepared, learned, history, result.stop_reason, result.interrupted,
        {"iterations": len(losses) - 1, "courses": evaluations}, damped=result, error=error,
    )  # fmt: skip


def _loosened(fit: FitOptions) -> tuple[float, ...]:
    """Jumps between windows are allowed first, and driven to zero in stages.

    From the start on, nearly continuous windows are one course, with its many local minima.
    """
    if fit.windows == 1:
        return ()
    reach = 1.0 / fit.continuity
    stages = int(np.ceil(np.log(max(reach, 1.0)) / np.log(STAGE)))
    return tuple(reach ** (k / stages) for k in range(stages, 0, -1))


def _fit_lbfgs(prepared: Prepared, reporter: Reporter) -> FitResult:
    own = prepared.choices.optimiser_options
    precision = prepared.task.options.precision
    training = in_precision(_batches(prepared)[0], precision)

    def callback(progress: Progress) -> None:
        reporter.train(
            TrainingReport(
                progress.iteration, progress.best_loss, progress.seconds, own.iterations,
                prepared.choices.fit.seconds, "lbfgs",
            )
        )  # fmt: skip

    learned = in_precision(prepared.learned, precision)
    arrays, static = eqx.partition(learned, eqx.is_inexact_array)

    def loss(changed: Any, parts: Any) -> tuple[Array, Any]:
        model, batch = parts
        return model.loss(eqx.combine(changed, static), batch), {}

    stopping = Stopping(
        iterations=own.iterations, seconds=prepared.choices.fit.seconds, decrease=1e-6, window=50
    )
    held, keeper = _memory(prepared, reporter)
    latest: Arrays = dict

    def keep(arrays: Arrays, must: bool) -> None:
        nonlocal latest
        latest = arrays
        keeper.offer(arrays, must=must)

    with reporter.stage("fit") as note:
        mesh = make_mesh(prepared.model.devices)
        found = minimise(
            loss, arrays,
            replicated((in_precision(prepared.model, precision), training), mesh),
            optimiser=LBFGS(history=own.history), stopping=stopping, callback=callback, mesh=mesh,
            held=held, keep=keep,
        )  # fmt: skip
        keep(latest, True)
        note.text = f"{found.iterations:,} iterations, {found.stop_reason}"
    history = {
        "iteration": np.arange(len(found.history.loss)),
        "loss": np.asarray(found.history.loss),
    }
    return _result(
        prepared, in_precision(eqx.combine(found.parameters, static), "float64"), history,
        str(found.stop_reason),
        found.stop_reason is StopReason.INTERRUPTED,
        {"iterations": found.iterations, "courses": found.evaluations},
    )  # fmt: skip


def _fit_adam(prepared: Prepared, reporter: Reporter) -> FitResult:
    own, fit = prepared.choices.optimiser_options, prepared.choices.fit
    precision = prepared.task.options.precision
    training, held = in_precision(_batches(prepared), precision)
    state = first_state(in_precision(prepared.learned, precision))
    saved, keeper = _memory(prepared, reporter)
    if saved:
        state = state.from_arrays(saved)
    decay = own.decay
    if prepared.choices.optimiser == "adamw" and not decay:
        decay = 0.01

    def report(entry: EpochReport) -> None:
        value = "" if entry.validation is None else f", validation {entry.validation:.3e}"
        reporter.train(
            TrainingReport(
                entry.epoch, entry.training, entry.seconds, entry.epochs, fit.seconds,
                f"epoch{value}",
            )
        )  # fmt: skip

    with reporter.stage("fit") as note:
        state, reason, interrupted = descend(
            in_precision(prepared.model, precision), state, training, held, own, decay=decay,
            patience=fit.patience, seconds=fit.seconds, seed=prepared.task.options.seed,
            report=report, keep=lambda s: keeper.offer(s.to_arrays),
        )  # fmt: skip
        keeper.offer(state.to_arrays, must=True)
        note.text = f"{state.epoch:,} epochs, {reason}"
    rows = np.array(state.history).reshape(-1, 4)
    history = {
        "iteration": np.arange(1, len(rows) + 1),
        "loss": rows[:, 0],
        "rate": rows[:, 2],
        "seconds": rows[:, 3],
    }
    if held is not None:
        history["validation"] = rows[:, 1]
    batches, size = batches_of(len(training.starts), own.batch)
    per_epoch = count_evaluations(
        prepared.model.scheme, prepared.model.count, prepared.model.gradient,
        prepared.model.checkpoints, batches=batches,
    )  # fmt: skip
    counts = {
        "iterations": state.epoch,
        "batches": batches,
        "windows_of_a_batch": size,
        "best_epoch": state.best_epoch,
    }
    if per_epoch.total >= 0:  # else only a run of the scheme knows
        counts["function_evaluations_per_epoch"] = per_epoch.total
    return _result(
        prepared, in_precision(state.best, "float64"), history, reason, interrupted, counts,
    )  # fmt: skip


def _result(
    prepared: Prepared,
    learned: Learned,
    history: Mapping[str, np.ndarray],
    reason: str,
    interrupted: bool,
    counts: Mapping[str, int],
    *,
    damped: DampedResult | None = None,
    error: float = 0.0,
) -> FitResult:
    system, model = prepared.lowered.learned, prepared.model
    names = system.unknowns.names
    values = np.asarray(system.values_of_unknowns(learned))
    errors, correlation = np.full(len(names), np.nan), None
    training, held = _batches(prepared)
    measured = int(sum(float(np.sum(np.asarray(m))) for m in training.masks))
    losses = {"training": _misfit(model, learned, training)}
    notes = [_words(prepared)]
    if model.regularisers:
        integrals = np.mean(np.asarray(_integrals(model, learned, training)), axis=0)
        losses |= {t.label: float(v) for t, v in zip(model.regularisers, integrals, strict=True)}
    if system.closures:
        work, words = _adaptive_work(prepared, learned)
        counts = {**counts, **work}
        notes += words
    if held is not None:
        losses["validation"] = _misfit(model, learned, held)
    if damped is not None and names:
        absolute = all(t.deviation is not None for t in prepared.terms)
        jumps = 0 if learned.states is None else learned.states.size
        rows = measured + jumps + len(model.priors.index)
        table, reduced = covariance(damped, model, rows, absolute=absolute)
        errors = np.sqrt(np.clip(np.diag(table), 0.0, None))
        with np.errstate(all="ignore"):
            correlation = table / np.outer(errors, errors)
        losses["chi_squared_per_degree_of_freedom"] = reduced
        notes.append(_error_words(absolute))
    if error:
        notes.append(f"steps of {model.dt:.3g} change the course by {error:.1e}")
    last_state, last_time = _last(prepared, learned)
    numbers = sum(leaf.size for leaf in jax.tree.leaves(eqx.filter(learned, eqx.is_inexact_array)))
    return FitResult(
        Fitted(prepared.lowered, model, learned, prepared.scales),
        dict(zip(names, map(float, values), strict=True)),
        dict(zip(names, map(float, errors), strict=True)),
        correlation,
        history,
        losses,
        {
            **counts,
            "measurements": measured,
            "learned_numbers": numbers,
            "windows": len(prepared.windows.starts),
            "steps_of_a_window": model.count,
        },
        tuple(notes),
        tuple(_terms(prepared, learned)),
        last_state,
        last_time,
        reason,
        interrupted,
        prepared.choices.optimiser,
    )


@eqx.filter_jit
def _misfit_of(model: FitModel, learned: Learned, batch: Batch) -> Array:
    return model.misfit(learned, batch)


def _misfit(model: FitModel, learned: Learned, batch: Batch) -> float:
    return float(_misfit_of(model, learned, batch))


@eqx.filter_jit
def _integrals(model: FitModel, learned: Learned, batch: Batch) -> Array:
    first = model.first_states(learned, batch)
    return model.course_and_integrals(learned, first, batch.starts)[1]


def _adaptive_work(prepared: Prepared, learned: Learned) -> tuple[dict[str, int], list[str]]:
    """What an explicit solver of adaptive steps pays for a few windows, as one system.

    Of a system with a stiff part it is told where the fit has a regulariser, for else nobody has
    asked for dynamics that such a solver could do with.
    """
    model = prepared.model
    if not (model.regularisers or prepared.lowered.stiff.is_zero):
        return {}, []
    windows = probe_windows(prepared)
    batch = make_batch(windows, prepared.steps, prepared.pairs, prepared.sets)
    starts = batch.starts[:, None]

    @eqx.filter_jit
    def slopes(model: FitModel, learned: Learned, states: Array, times: Array) -> Array:
        return model.slopes(learned, states, times)

    found = count_adaptive(
        lambda time, states: slopes(model, learned, states, starts + time),
        np.asarray(model.first_states(learned, batch)), windows.length, model.tolerances,
    )  # fmt: skip
    subject = f"an explicit adaptive solver of order 5 at rtol = {model.tolerances[0]:.0e} takes"
    if found is None:
        return {}, [f"{subject} more than {MOST_EVALUATIONS:,} evaluations, or fails"]
    count = len(batch.starts)
    what = "a window" if count == 1 else f"{count} windows at once"
    return {"adaptive_evaluations": found}, [f"{subject} {found:,} evaluations for {what}"]


def _words(prepared: Prepared) -> str:
    model = prepared.model
    part = "no implicit part" if model.operator is None else model.operator.words
    if is_adaptive(model.scheme):
        return f"{model.scheme} with steps by rtol = {model.tolerances[0]:.0e}, all explicit"
    words = f"{model.scheme} with steps of {model.dt:.4g}, {model.count:,} a window; {part}"
    if model.checkpoints is not None:
        words += f"; {make_plan(model.count, 1, model.checkpoints).words}"
    return words


def _error_words(absolute: bool) -> str:
    if absolute:
        return "standard errors from the stated deviations of the measurements"
    return "standard errors from the scatter of the residuals, since no deviations are stated"


def _last(prepared: Prepared, learned: Learned) -> tuple[np.ndarray, float]:
    windows = prepared.windows
    batch = make_batch(
        windows.subset(np.arange(len(windows.starts)) >= len(windows.starts) - 1)
        if windows.states is not None else windows,
        prepared.steps, prepared.pairs, prepared.sets,
    )  # fmt: skip
    course = course_of(prepared.model, learned, batch)
    if windows.states is not None:
        return np.asarray(windows.states[-1]), float(windows.starts[-1])
    return course[int(batch.ends[-1, 0]), -1], float(windows.ends[-1])


@eqx.filter_jit
def _models_of(model: FitModel, learned: Learned, batch: Batch) -> list[Array]:
    first = model.first_states(learned, batch)
    course = model.course(learned, first, batch.starts, "backpropagation")
    return model.models(learned, course, batch)


# Windows whose predictions are kept beside the data.
MOST_SHOWN = 2_000


def _terms(prepared: Prepared, learned: Learned) -> list[TermResult]:
    windows = prepared.windows
    if len(windows.starts) > MOST_SHOWN and windows.states is not None:
        chosen = np.linspace(0, len(windows.starts) - 1, MOST_SHOWN).astype(int)
        windows = windows.subset(np.unique(chosen))
    batch = make_batch(windows, prepared.steps, prepared.pairs, prepared.sets)
    models = _models_of(prepared.model, learned, batch)
    found = []
    for term, (name, column), model in zip(prepared.terms, prepared.pairs, models, strict=True):
        target = windows.targets[name]
        found.append(
            TermResult(
                term.data, windows.starts[:, None] + target.offsets, target.values[column],
                np.asarray(model), deviation_of(term, prepared.task), prepared.data[name].places,
            )
        )  # fmt: skip
    return found
