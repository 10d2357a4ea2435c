"""What a fit found: unknowns with errors, losses, and the model beside its data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import equinox as eqx
import jax
import numpy as np
from jax import Array

from pdesl.lowering.learned import Learned
from pdesl.lowering.to_learned import Lowered
from pdesl.solvers.fit_damped import DampedResult, covariance
from pdesl.solvers.fit_model import Batch, FitModel, make_batch
from pdesl.solvers.fit_prepare import deviation_of
from pdesl.solvers.fit_speed import MOST_EVALUATIONS, count_adaptive
from pdesl.solvers.fit_steps import Prepared, course_of, is_adaptive, probe_windows
from pdesl.solvers.rollout_embedded import LEVELS
from pdesl.solvers.rollout_reverse import make_plan

__all__ = ["FitResult", "Fitted", "TermResult", "fit_result", "split_batches"]


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


def split_batches(prepared: Prepared) -> tuple[Batch, Batch | None]:
    windows = prepared.windows
    training = windows.subset(~windows.held_out)
    first = make_batch(training, prepared.steps, prepared.pairs, prepared.sets)
    if not windows.held_out.any():
        return first, None
    held = windows.subset(windows.held_out)
    return first, make_batch(held, prepared.steps, prepared.pairs, prepared.sets)


def fit_result(
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
    training, held = split_batches(prepared)
    measured = int(sum(float(np.sum(np.asarray(m))) for m in training.masks))
    losses = {"training": _misfit(model, learned, training)}
    notes = [_words(prepared)]
    if model.regularisers:
        integrals = np.mean(np.asarray(_integrals(model, learned, training)), axis=0)
        losses |= {t.label: float(v) for t, v in zip(model.regularisers, integrals, strict=True)}
    if model.adaptive:
        taken, words = _steps_taken(prepared, learned)
        counts = {**counts, **taken}
        notes += words
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


def _steps_taken(prepared: Prepared, learned: Learned) -> tuple[dict[str, int], list[str]]:
    """The steps of a few windows at the result."""
    windows = probe_windows(prepared)
    batch = make_batch(windows, prepared.steps, prepared.pairs, prepared.sets)
    accepted, refused, exponent = np.asarray(_taken(prepared.model, learned, batch)).tolist()
    count = len(batch.starts)
    what = "a window" if count == 1 else f"{count} windows at once"
    size = prepared.model.dt * 2.0 ** (exponent - LEVELS)
    words = f"{what} took {accepted:,} steps, the smallest {size:.3g}, and {refused:,} in vain"
    return {"steps_taken": accepted, "steps_refused": refused}, [words]


@eqx.filter_jit
def _taken(model: FitModel, learned: Learned, batch: Batch) -> Array:
    return model.steps_taken(learned, model.first_states(learned, batch), batch.starts)


def _words(prepared: Prepared) -> str:
    model = prepared.model
    part = "no implicit part" if model.operator is None else model.operator.words
    if is_adaptive(model.scheme):
        return f"{model.scheme} with steps by rtol = {model.tolerances[0]:.0e}, all explicit"
    if model.adaptive:
        rtol = model.tolerances[0]
        return (
            f"{model.scheme} with steps of {model.dt:.4g} and halvings by rtol = {rtol:.0e}; {part}"
        )
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
    course = model.course(learned, first, batch.starts, "discrete_adjoint")
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
