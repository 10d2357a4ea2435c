"""Learned dynamics: unknown numbers and closures of an evolution equation, fitted to data.

    u' = E(t, u; p) + A(p) u + b(t; p),        min over p of the misfit of its courses and the data

The linear stiff part A is implicit, the rest with its networks explicit, so that steps are as long
as the data allow; gradients come from the discrete adjoint of the steps (H. Zhang, Y. Liu and R.
Maulik, "Semi-implicit neural ordinary differential equations", 2024, theorem 4.1).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import numpy as np
from jax import Array

from pdesl.ir.fitting import diffusing_terms
from pdesl.lowering.devices import make_mesh, replicated
from pdesl.lowering.measurements import Measurements
from pdesl.solvers.base import Reporter, Task, TrainingReport
from pdesl.solvers.fit_damped import minimise_damped
from pdesl.solvers.fit_descent import (
    EpochReport,
    batches_of,
    descend,
    first_state,
)
from pdesl.solvers.fit_model import in_precision
from pdesl.solvers.fit_options import FitOptions
from pdesl.solvers.fit_prepare import prepare
from pdesl.solvers.fit_result import FitResult, fit_result, split_batches
from pdesl.solvers.fit_steps import Prepared, error_of_steps, with_right_steps
from pdesl.solvers.keeping import Keeper
from pdesl.solvers.lbfgs import LBFGS
from pdesl.solvers.rollout import count_evaluations
from pdesl.solvers.training import Progress, Stopping, StopReason, minimise
from pdesl.solvers.training_state import state_of_arrays, state_to_arrays

__all__ = ["fit"]

#: What makes the arrays of a checkpoint.
Arrays = Callable[[], dict[str, np.ndarray]]

# Fits with steps that turned out too long for the result are repeated so often.
MOST_REFITS = 4
# Between the jumps that one stage of a fit with several windows allows, and the next.
STAGE = 30.0


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
            training, _ = split_batches(prepared)
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
    return fit_result(
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
    training = in_precision(split_batches(prepared)[0], precision)

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
    return fit_result(
        prepared, in_precision(eqx.combine(found.parameters, static), "float64"), history,
        str(found.stop_reason),
        found.stop_reason is StopReason.INTERRUPTED,
        {"iterations": found.iterations, "courses": found.evaluations},
    )  # fmt: skip


def _hint(prepared: Prepared) -> str:
    """What helps where a closure multiplies a derivative of order two or more."""
    terms = diffusing_terms(prepared.lowered.system)
    if not terms:
        return ""
    return (
        f"; in the explicit term `{terms[0]}` a factor of the wrong sign makes short waves grow, "
        "where `exp(N)` has one sign, and steps must be small against the square of the spacing"
    )


def _fit_adam(prepared: Prepared, reporter: Reporter) -> FitResult:
    own, fit = prepared.choices.optimiser_options, prepared.choices.fit
    precision = prepared.task.options.precision
    training, held = in_precision(split_batches(prepared), precision)
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
            report=report, keep=lambda s: keeper.offer(s.to_arrays), hint=_hint(prepared),
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
    if per_epoch.total >= 0 and not prepared.model.adaptive:  # else only a run of the scheme knows
        counts["function_evaluations_per_epoch"] = per_epoch.total
    return fit_result(
        prepared, in_precision(state.best, "float64"), history, reason, interrupted, counts,
    )  # fmt: skip
