"""Adam on mini-batches of windows: epochs, schedules, validation, early stopping, checkpoints."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

from pdesl.diagnostics import SolverError
from pdesl.lowering.devices import agreed, at_hand, make_mesh, replicated, whole
from pdesl.lowering.learned import Learned
from pdesl.solvers.fit_model import Batch, FitModel
from pdesl.solvers.fit_options import AdamFitOptions
from pdesl.solvers.training_state import state_of_arrays, state_to_arrays

__all__ = ["DescentState", "EpochReport", "descend", "first_state"]

# What of a state is on devices.
_LEARNED = ("learned", "moments", "best")
# A cosine schedule ends at this share of the first rate.
LAST_SHARE = 0.01


@dataclass(frozen=True, slots=True, eq=False)
class DescentState:
    """A fit as it stands after an epoch: all that is needed to go on.

    Attributes:
        learned, moments: what is learned, and the optimiser's state.
        epoch, steps: done so far.
        rate_factor: product of the plateau's factors.
        best: what did best on the validation (or the training) data, `best_value`, `best_epoch`.
        lowest, lowest_epoch: of the training loss, for the plateau.
        history: one row for each epoch: training loss, validation, rate, seconds.
    """

    learned: Learned
    moments: Any
    epoch: int
    rate_factor: float
    best: Learned
    best_value: float
    best_epoch: int
    lowest: float
    lowest_epoch: int
    history: list[tuple[float, float, float, float]] = field(default_factory=list)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Everything, exactly."""
        return {
            "counts": np.array([self.epoch, self.best_epoch, self.lowest_epoch]),
            "numbers": np.array([self.rate_factor, self.best_value, self.lowest]),
            "history": np.array(self.history, float).reshape(-1, 4),
            **state_to_arrays(eqx.filter(self._trees, eqx.is_array)),
        }

    def from_arrays(self, arrays: Mapping[str, np.ndarray]) -> DescentState:
        """The state that `to_arrays` told, for a fit that begins with this one."""
        own, rest = eqx.partition(self._trees, eqx.is_array)
        learned, moments, best = eqx.combine(state_of_arrays(own, arrays), rest)
        epoch, best_epoch, lowest_epoch = map(int, arrays["counts"])
        factor, best_value, lowest = map(float, arrays["numbers"])
        history = [(float(a), float(b), float(c), float(d)) for a, b, c, d in arrays["history"]]
        return DescentState(
            learned, moments, epoch, factor, best, best_value, best_epoch, lowest, lowest_epoch,
            history,
        )  # fmt: skip

    @property
    def _trees(self) -> tuple[Any, Any, Any]:
        return self.learned, self.moments, self.best


@dataclass(frozen=True, slots=True)
class EpochReport:
    """What is told of an epoch."""

    epoch: int
    epochs: int
    training: float
    validation: float | None
    seconds: float


def first_state(learned: Learned) -> DescentState:
    moments = optax.scale_by_adam().init(eqx.filter(learned, eqx.is_inexact_array))
    return DescentState(
        learned, moments, 0, 1.0, learned, math.inf, 0, math.inf, 0
    )  # fmt: skip


def batches_of(count: int, size: int | None) -> tuple[int, int]:
    """How many batches of how many windows an epoch has; what is left over waits a turn."""
    own = count if size is None else min(size, count)
    return max(count // own, 1), own


def descend(
    model: FitModel,
    state: DescentState,
    training: Batch,
    validation: Batch | None,
    options: AdamFitOptions,
    *,
    decay: float,
    patience: int | None,
    seconds: float | None,
    seed: int,
    report: Callable[[EpochReport], None],
    keep: Callable[[DescentState], None],
    hint: str = "",
) -> tuple[DescentState, str, bool]:
    """Run the epochs that are left.

    Args:
        decay: share of the weights that a step takes off, times the rate (AdamW: I. Loshchilov
            and F. Hutter, "Decoupled weight decay regularization", 2019); of networks alone.
        report, keep: called after every epoch, the second to write checkpoints.
        hint: what else may help where the first step fails.

    Returns:
        The state, why it ended, and whether Ctrl-C ended it.

    Raises:
        SolverError: E750, a loss or gradient that is not finite, with epoch, step and remedy.
    """
    count, size = batches_of(len(training.starts), options.batch)
    adam = optax.scale_by_adam()
    mesh = make_mesh(model.devices)

    @eqx.filter_jit
    def epoch(
        learned: Any, moments: Any, order: Any, rates: Any, model: FitModel, data: Batch
    ) -> Any:
        arrays, static = eqx.partition(learned, eqx.is_inexact_array)

        def step(carried: Any, entry: Any) -> Any:
            arrays, moments = carried
            rows, rate = entry

            def loss(a: Any) -> Any:
                return model.loss(eqx.combine(a, static), data.rows(rows))

            value, gradient = jax.value_and_grad(loss)(arrays)
            change, moments = adam.update(gradient, moments)
            norm = optax.tree.norm(gradient)
            moved = jax.tree.map(lambda c: -rate * c, change)
            if decay:
                shrunk = jax.tree.map(lambda w: -rate * decay * w, arrays.networks)
                both = jax.tree.map(jnp.add, moved.networks, shrunk)
                moved = eqx.tree_at(lambda m: m.networks, moved, both)
            return (eqx.apply_updates(arrays, moved), moments), (value, norm)

        (arrays, moments), (losses, norms) = jax.lax.scan(step, (arrays, moments), (order, rates))
        arrays, moments, losses, norms = whole((arrays, moments, losses, norms), mesh)
        return eqx.combine(arrays, static), moments, losses, norms

    @eqx.filter_jit
    def judged(learned: Any, model: FitModel, data: Batch) -> Any:
        return whole(model.misfit(learned, data), mesh)

    model, training, validation = replicated((model, training, validation), mesh)
    state = replace(state, **replicated({n: getattr(state, n) for n in _LEARNED}, mesh))
    begin = time.perf_counter()
    used = state.history[-1][3] if state.history else 0.0
    reason, interrupted = "all epochs are done", False
    try:
        while state.epoch < options.epochs:
            random = np.random.default_rng([seed, state.epoch])
            order = random.permutation(len(training.starts))[: count * size].reshape(count, size)
            # Rates of float64 would take weights of float32 along.
            rates = _rates(options, state, count).astype(training.starts.dtype)
            learned, moments, losses, norms = epoch(
                state.learned, state.moments, jnp.asarray(order), jnp.asarray(rates), model,
                training,
            )  # fmt: skip
            _refuse_nan(np.asarray(losses), np.asarray(norms), state.epoch, model, count, hint)
            mean = float(np.mean(np.asarray(losses)))
            value = None if validation is None else float(judged(learned, model, validation))
            if value is not None and not math.isfinite(value):
                what = f"the validation after epoch {state.epoch + 1}"
                raise _not_finite(what, adaptive=model.adaptive)
            elapsed = used + time.perf_counter() - begin
            state = _after(state, learned, moments, mean, value, float(rates[-1]), elapsed, options)
            report(EpochReport(state.epoch, options.epochs, mean, value, elapsed))
            keep(state)
            if patience is not None and state.epoch - state.best_epoch >= patience:
                reason = f"no better validation in {patience} epochs"
                break
            if seconds is not None and agreed(elapsed, mesh) > seconds:
                reason = "the time is used up"
                break
    except KeyboardInterrupt:
        reason, interrupted = "interrupted", True
    state = replace(state, **at_hand({n: getattr(state, n) for n in _LEARNED}, mesh))
    return state, reason, interrupted


def _rates(options: AdamFitOptions, state: DescentState, count: int) -> np.ndarray:
    if options.schedule == "cosine":
        share = (state.epoch * count + np.arange(count)) / (options.epochs * count)
        low = LAST_SHARE
        return options.rate * (low + (1 - low) * 0.5 * (1 + np.cos(np.pi * share)))
    return np.full(count, options.rate * state.rate_factor)


def _after(
    state: DescentState, learned: Any, moments: Any, mean: float, value: float | None,
    rate: float, elapsed: float, options: AdamFitOptions,
) -> DescentState:  # fmt: skip
    epoch = state.epoch + 1
    judged = mean if value is None else value
    best = (learned, judged, epoch) if judged < state.best_value else (
        state.best, state.best_value, state.best_epoch
    )  # fmt: skip
    lowest, lowest_epoch, factor = state.lowest, state.lowest_epoch, state.rate_factor
    if mean < lowest:
        lowest, lowest_epoch = mean, epoch
    elif options.schedule == "plateau" and epoch - lowest_epoch >= options.wait:
        factor, lowest_epoch = factor * options.factor, epoch
    row = (mean, math.nan if value is None else value, rate, elapsed)
    return replace(
        state, learned=learned, moments=moments, epoch=epoch, rate_factor=factor, best=best[0],
        best_value=best[1], best_epoch=best[2], lowest=lowest, lowest_epoch=lowest_epoch,
        history=[*state.history, row],
    )  # fmt: skip


def _refuse_nan(
    losses: np.ndarray,
    norms: np.ndarray,
    epoch: int,
    model: FitModel,
    count: int,
    hint: str,
) -> None:
    bad = ~(np.isfinite(losses) & np.isfinite(norms))
    if bad.any():
        step = int(np.argmax(bad))
        what = "the loss" if not np.isfinite(losses[step]) else "the gradient"
        where = f"{what} in epoch {epoch + 1}, step {step + 1} of {count}"
        own = hint if epoch == step == 0 else ""
        raise _not_finite(where, adaptive=model.adaptive, hint=own)


def _not_finite(what: str, *, adaptive: bool, hint: str = "") -> SolverError:
    steps = "a larger `rtol` or `most_steps`" if adaptive else "a smaller step `dt`"
    return SolverError(
        f"{what} is not finite",
        code="E750",
        advice=f"take a smaller `rate`, shorter windows, {steps}, or mark what makes the "
        f"equation stiff with `stiff(…)`{hint}",
    )
