"""The steps of a fit: how large they are, how right courses by them, and where they end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import Array

from pdesl.diagnostics import SolverError
from pdesl.ir.system import System
from pdesl.lowering.learned import Learned
from pdesl.lowering.measurements import Measurements
from pdesl.lowering.to_learned import Lowered
from pdesl.solvers.base import Task
from pdesl.solvers.fit_choices import FitChoices
from pdesl.solvers.fit_model import Batch, FitModel, make_batch
from pdesl.solvers.fit_windows import Steps, WindowSet, make_steps
from pdesl.solvers.rollout_embedded import LEVELS, most_steps_of
from pdesl.solvers.rollout_names import SCHEMES
from pdesl.symbolic.problem import FitTerm

__all__ = [
    "Prepared",
    "course_of",
    "error_of_steps",
    "is_adaptive",
    "probe_windows",
    "refuse_steps",
    "replaced",
    "tolerances_of",
    "too_many_steps",
    "with_changes",
    "with_right_grid",
    "with_right_steps",
]

# Halvings of the step before a course counts as one that cannot be stepped through.
MOST_HALVINGS = 14
# Windows that the step is chosen on.
PROBES = 8
# Windows that the step is chosen on.


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """Everything before the first iteration."""

    task: Task
    system: System
    choices: FitChoices
    lowered: Lowered
    model: FitModel
    learned: Learned
    windows: WindowSet
    steps: Steps
    terms: tuple[FitTerm, ...]
    pairs: tuple[tuple[str, str], ...]
    sets: tuple[str, ...]
    data: Mapping[str, Measurements]
    scales: Mapping[str, tuple[float, ...]]
    is_step_given: bool
    rtol: float


def tolerances_of(rtol: float) -> tuple[float, float]:
    """Of schemes that choose their steps: relative, and absolute for values near zero."""
    return rtol, 1e-3 * rtol


def is_adaptive(scheme: str) -> bool:
    return SCHEMES[scheme].kind == "adaptive"


def refuse_steps(prepared: Prepared) -> None:
    """Refuse a course that does not get through its windows at the start values.

    Raises:
        SolverError: E755.
    """
    model = prepared.model
    if not (model.adaptive or is_adaptive(model.scheme)):
        if model.most_steps is not None and model.count > model.most_steps:
            raise too_many_steps(
                f"a window takes {model.count:,} steps of {model.dt:.3g}", model
            )  # fmt: skip
        return
    windows = probe_windows(prepared)
    batch = make_batch(windows, prepared.steps, prepared.pairs, prepared.sets)
    if not np.all(np.isfinite(course_of(model, prepared.learned, batch))):
        raise too_many_steps("the course at the start values does not reach its end", model)


def too_many_steps(what: str, model: FitModel) -> SolverError:
    """E755, in the words of a model's steps."""
    rtol, remedy = model.tolerances[0], ""
    advice = "raise `most_steps`, or `dt`"
    if model.adaptive:
        most = model.most_steps or most_steps_of(model.count)
        remedy = (
            f": within {most:,} steps of {model.dt:.3g} halved at most {LEVELS} times their error "
            f"is not {rtol:.1e}"
        )  # fmt: skip
        advice = "raise `rtol` or `most_steps`, take a method of higher order, mark what makes the "
        advice += "equation stiff with `stiff(…)`, or choose other start values"
    elif is_adaptive(model.scheme):
        remedy = f": its steps by rtol = {rtol:.1e} are too many, or its values not finite"
        advice = "raise `rtol` or `most_steps`, or take an IMEX method and mark the stiff terms"
    return SolverError(f"{what}{remedy}", code="E755", advice=advice)


def replaced(prepared: Prepared, **changes: Any) -> Prepared:
    return replace(prepared, **changes)


def with_changes(model: FitModel, **changes: Any) -> FitModel:
    return replace(model, **changes)


def probe_windows(prepared: Prepared) -> WindowSet:
    """Some windows that start at measured states, spread over all; else all."""
    if prepared.windows.states is None:
        return prepared.windows
    chosen = np.linspace(0, len(prepared.windows.starts) - 1, PROBES).astype(int)
    return prepared.windows.subset(np.unique(chosen))


def error_of_steps(prepared: Prepared, learned: Learned) -> float:
    """How far halved steps change the course, against the size of the state."""
    windows = probe_windows(prepared)
    batch = make_batch(windows, prepared.steps, prepared.pairs, prepared.sets)
    model = prepared.model
    fine = with_changes(model, dt=model.dt / 2, count=model.count * 2)
    coarse, halved = course_of(model, learned, batch), course_of(fine, learned, batch)
    if not (np.all(np.isfinite(coarse)) and np.all(np.isfinite(halved))):
        return np.inf
    size = float(np.sqrt(np.mean(halved**2))) + 1e-300
    return float(np.sqrt(np.max(np.mean((coarse - halved[::2]) ** 2, axis=(1, 2))))) / size


@eqx.filter_jit
def _course(model: FitModel, learned: Learned, batch: Batch) -> Array:
    first = model.first_states(learned, batch)
    return model.course(learned, first, batch.starts, "discrete_adjoint")


def course_of(model: FitModel, learned: Learned, batch: Batch) -> np.ndarray:
    return np.asarray(_course(model, learned, batch))


def with_right_steps(prepared: Prepared, learned: Learned) -> tuple[Prepared, float]:
    """Steps halved until the course is right to `rtol`; and the error that is left.

    Raises:
        SolverError: E750, a course that no step makes finite.
    """
    error = np.inf
    for _ in range(MOST_HALVINGS):
        error = error_of_steps(prepared, learned)
        if error <= prepared.rtol:
            return prepared, error
        steps = make_steps(prepared.windows, prepared.model.dt / 2)
        model = with_changes(prepared.model, dt=steps.dt, count=steps.count, exact=steps.exact)
        prepared = replaced(prepared, model=model, steps=steps)
    if not np.isfinite(error):
        raise SolverError(
            "the course at the start values cannot be stepped through",
            code="E750",
            advice="choose other start values, or several `windows`",
        )
    return prepared, error


@eqx.filter_jit
def _in_between(model: FitModel, learned: Learned, batch: Batch) -> Array:
    first = model.first_states(learned, batch)
    course = model.course(learned, first, batch.starts, "discrete_adjoint")
    index = jnp.broadcast_to(jnp.arange(model.count), (len(first), model.count))
    shares = jnp.full(index.shape, 0.5)
    return jnp.swapaxes(model.states_at(learned, course, batch.starts, index, shares), 0, 1)


def with_right_grid(prepared: Prepared) -> Prepared:
    """`dt` of adaptive steps halved until values between its multiples are right to `rtol`.

    Measured times that are no multiples are interpolated by cubics between them.
    """
    windows = probe_windows(prepared)
    for _ in range(MOST_HALVINGS):
        model, steps = prepared.model, prepared.steps
        if model.exact:
            return prepared
        batch = make_batch(windows, steps, prepared.pairs, prepared.sets)
        fine = with_changes(model, dt=model.dt / 2, count=model.count * 2)
        halved = course_of(fine, prepared.learned, batch)
        if not np.all(np.isfinite(halved)):
            return prepared
        gap = np.asarray(_in_between(model, prepared.learned, batch)) - halved[1::2]
        size = float(np.sqrt(np.mean(halved**2))) + 1e-300
        if float(np.sqrt(np.max(np.mean(gap**2, axis=(1, 2))))) <= 10 * prepared.rtol * size:
            return prepared
        steps = make_steps(prepared.windows, model.dt / 2, divided=True)
        model = with_changes(model, dt=steps.dt, count=steps.count, exact=steps.exact)
        prepared = replaced(prepared, model=model, steps=steps)
    return prepared
