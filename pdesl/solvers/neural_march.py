"""The course of a Neural-IVP run: steps of an explicit pair, restarts, trust, checkpoints.

Samples are fixed within a step and drawn anew between steps, as a function of the seed and the
number of the step. Everything that a later step depends on is in `Course`, which a checkpoint
holds whole: a run that goes on from one does what an uninterrupted run does, bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Any, Protocol

import numpy as np

from pdesl.diagnostics import SolverError
from pdesl.solvers.explicit_pairs import ExplicitPair
from pdesl.solvers.keeping import held_interrupts
from pdesl.solvers.marching import Recording

__all__ = ["Course", "Evolution", "Log", "StepControl", "march"]

SAFETY = 0.9
SMALLEST, LARGEST = 0.2, 4.0
PROPORTIONAL, INTEGRAL = 0.7, 0.4
# A step below this share of the time range is no step.
NO_STEP = 1e-9
# Steps between two looks at the regularisation, once the start is over.
TUNE_EVERY = 8
MOST_STEPS = 1_000_000


@dataclass(frozen=True, slots=True)
class StepControl:
    """How steps are chosen; `fixed` is their size, None for the error against `rtol`."""

    fixed: float | None
    rtol: float
    atol: float
    on_parameters: bool
    redraw: int


@dataclass(frozen=True, slots=True)
class Solve:
    """What the log keeps of an evaluation, and whether the right-hand side was finite."""

    iterations: int
    condition: float
    finite: bool = True


class Evolution(Protocol):
    """What the course needs of the method."""

    @property
    def regularisation(self) -> np.ndarray:
        """What the solves of every field are regularised with, (fields,)."""
        ...

    @regularisation.setter
    def regularisation(self, value: np.ndarray) -> None: ...

    def sample(self, number: int, flat: np.ndarray, t: float) -> Any:
        """The samples of a draw; those that follow the solution see its parameters."""
        ...

    def velocity(
        self, flat: np.ndarray, t: float, sample: Any, number: int
    ) -> tuple[np.ndarray, Solve]:
        """θ̇ at an evaluation of that number."""
        ...

    def culprit(self, flat: np.ndarray, t: float, sample: Any) -> str:
        """The term of the equations that is not finite, or largest, and where."""
        ...

    def values(self, flat: np.ndarray, t: float, sample: Any) -> np.ndarray:
        """u (fields, n) at samples, times the roots of their weights."""
        ...

    def residual(self, flat: np.ndarray, slope: np.ndarray, t: float, step: int) -> float:
        """sqrt(Σ r²/Σ (∂t u)²) on fresh points."""
        ...

    def restarted(self, flat: np.ndarray, t: float, number: int) -> tuple[np.ndarray, float]:
        """Other parameters of nearly the same fields, and the relative error of the fit."""
        ...

    def tune(self, flat: np.ndarray, t: float, number: int, *, near: bool = False) -> None:
        """Choose what the solves are regularised with; `near` what it is now."""
        ...

    def wants_restart(self, last: float, t: float, solve: Solve | None) -> str:
        """Why to restart at t, the last restart having been at `last`; empty: go on."""
        ...


@dataclass(slots=True)
class Log:
    """One entry a step, taken at its start: what the picture and the metrics show."""

    time: list[float] = field(default_factory=list)
    step: list[float] = field(default_factory=list)
    residual: list[float] = field(default_factory=list)
    condition: list[float] = field(default_factory=list)
    iterations: list[float] = field(default_factory=list)
    restarts: list[float] = field(default_factory=list)
    restart_errors: list[float] = field(default_factory=list)

    def enter(self, t: float, step: float, residual: float, solve: Solve) -> None:
        self.time.append(t)
        self.step.append(step)
        self.residual.append(residual)
        self.condition.append(solve.condition)
        self.iterations.append(float(solve.iterations))


@dataclass(slots=True)
class Course:
    """Where a run stands: all that its future depends on, and what it has to tell."""

    t: float
    state: np.ndarray
    size: float
    recording: Recording
    sizes: np.ndarray
    regularisation: np.ndarray
    step: int = 0
    previous: float = 1.0
    last_restart: float = 0.0
    carried: np.ndarray | None = None
    carried_solve: Solve | None = None
    rejected: int = 0
    evaluations: int = 0
    cg_iterations: int = 0
    log: Log = field(default_factory=Log)

    # -- as arrays -------------------------------------------------------------------------

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Everything, exactly."""
        carried = self.carried_solve
        solve = [carried.iterations, carried.condition] if carried else []
        found = {
            "scalars": np.array([self.t, self.size, self.previous, self.last_restart]),
            "counts": np.array([self.step, self.rejected, self.evaluations, self.cg_iterations]),
            "state": self.state,
            "sizes": self.sizes,
            "regularisation": self.regularisation,
            "carried": np.zeros(0) if self.carried is None else self.carried,
            "carried_solve": np.array(solve, dtype=float),
            **self.recording.to_arrays(self.state.shape),
        }
        for name in _LOGGED:
            found[f"log/{name}"] = np.array(getattr(self.log, name), dtype=float)
        return found

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Course:
        """The course that `to_arrays` told."""
        t, size, previous, last_restart = map(float, arrays["scalars"])
        step, rejected, evaluations, iterations = map(int, arrays["counts"])
        recording = Recording.from_arrays(arrays)
        log = Log()
        for name in _LOGGED:
            getattr(log, name).extend(float(v) for v in arrays[f"log/{name}"])
        solve = arrays["carried_solve"]
        return cls(
            t, arrays["state"], size, recording, arrays["sizes"], arrays["regularisation"],
            step, previous, last_restart,
            arrays["carried"] if len(arrays["carried"]) else None,
            Solve(int(solve[0]), float(solve[1])) if len(solve) else None,
            rejected, evaluations, iterations, log,
        )  # fmt: skip


_LOGGED = (
    "time", "step", "residual", "condition", "iterations", "restarts", "restart_errors",
)  # fmt: skip


def march(
    evolution: Evolution,
    pair: ExplicitPair,
    control: StepControl,
    course: Course,
    last: float,
    stops: Sequence[float],
    *,
    budget: float | None,
    keep: Callable[[bool], None],
    progress: Callable[[Course, float], None],
    halt: Callable[[float, np.ndarray], bool] | None = None,
) -> tuple[Course, str, bool]:
    """Advance a course to the last time.

    Args:
        evolution: what is advanced.
        pair, control: how.
        course: where it stands, new or from a checkpoint; it is advanced in place.
        last: the last time.
        stops: times that are met exactly and kept, the last one included.
        budget: the largest residual that is put up with.
        keep: called after every step, with whether the course has to be saved now.
        progress: hears of the course and the size of the step.
        halt: tells after every step, of (time, state), whether it was the last.

    Returns:
        The course; why it ended, empty at the last time; whether it was interrupted.

    Raises:
        SolverError: E740, values that are not finite at the start of a step, or in a step of fixed
            size; E741, a step that vanishes.
    """
    begin = course.t
    span = max(last - min(course.recording.always, default=begin), 1e-300)
    reason, interrupted = "", False
    try:
        while course.t < last:
            reason = _advance(evolution, pair, control, course, last, stops, span, budget)
            if reason:
                break
            progress(course, course.log.step[-1])
            keep(False)
            if halt is not None and halt(course.t, course.state):
                reason = f"halted at t = {course.t:g}"
                break
    except KeyboardInterrupt:
        # A step is assigned as a whole at its end, so that the course is one of whole steps.
        interrupted, reason = True, f"interrupted at t = {course.t:g}"
    keep(True)
    _finish(evolution, control, course)
    return course, reason, interrupted


def _advance(
    evolution: Evolution,
    pair: ExplicitPair,
    control: StepControl,
    course: Course,
    last: float,
    stops: Sequence[float],
    span: float,
    budget: float | None,
) -> str:
    """One accepted step; returns why the run has to end, empty if not."""
    t, state, log = course.t, course.state, course.log
    carried, solve = course.carried, course.carried_solve
    evolution.regularisation = course.regularisation
    last_restart, restarted_error = course.last_restart, 0.0
    why = evolution.wants_restart(last_restart, t, _last_solve(course)) if course.step else ""
    if why:
        state, restarted_error = evolution.restarted(state, t, course.step)
        last_restart, carried = t, None
    elif _tunes(course.step):
        evolution.tune(state, t, course.step, near=True)
    sample = evolution.sample(course.step // control.redraw, state, t)
    evaluations = iterations = 0

    def velocity(flat: np.ndarray, clock: float) -> tuple[np.ndarray, Solve]:
        nonlocal evaluations, iterations
        number = course.evaluations + evaluations
        found, own = evolution.velocity(flat, clock, sample, number)
        evaluations += 1
        iterations += own.iterations
        return found, own

    if carried is None or solve is None:
        slope, solve = velocity(state, t)
        if not solve.finite:
            raise _not_finite(evolution, course.step + 1, state, t, sample)
    else:
        slope = carried
    residual = evolution.residual(state, slope, t, course.step)
    if budget is not None and residual > budget:
        course.state = state
        return (
            f"the residual of the equations, {residual:.2e} of ∂t u, left its budget of "
            f"{budget:g} at t = {t:g}"
        )
    stop = next(s for s in stops if s > t)
    size = course.size
    rejected = 0
    # Where the right-hand side was not finite last: at the start of the step, or at a stage.
    broken = state, t
    before = evolution.values(state, t, sample)
    sizes = np.maximum(course.sizes, np.sqrt(np.mean(before**2, axis=1)))
    previous = course.previous
    while True:
        left = max(ceil((stop - t) / size - 1e-9), 1)
        dt = (stop - t) / left if left <= 2 or control.fixed else size
        if dt < NO_STEP * span:
            raise SolverError(
                f"step {course.step + 1:,}, at t = {t:.6g}, cannot be small enough: its error does "
                f"not fall with its size; {evolution.culprit(*broken, sample)}",
                code="E741",
                advice="raise `rtol`, take more samples, a wider network, or restarts; the "
                "solution may also blow up there",
            )
        slopes = [slope]
        for row, node in zip(pair.matrix[1:], pair.nodes[1:], strict=True):
            inner = state + sum(dt * a * k for a, k in zip(row, slopes, strict=False) if a)
            found, own = velocity(inner, t + node * dt)
            if not own.finite:
                broken = inner, t + node * dt
            slopes.append(found)
        change = sum(dt * b * k for b, k in zip(pair.weights, slopes, strict=True) if b)
        difference = sum(
            dt * (b - e) * k
            for b, e, k in zip(pair.weights, pair.embedded, slopes, strict=True)
            if b != e
        )
        new = state + change
        if control.fixed is not None:
            error = 0.0 if np.all(np.isfinite(new)) else np.inf
        else:
            error = _error(
                evolution, control, sample, (state, new), np.asarray(difference), (t, t + dt), sizes
            )
        power = 1.0 / pair.power
        if error <= 1.0:
            break
        if control.fixed is not None:
            raise _not_finite(evolution, course.step + 1, *broken, sample)
        rejected += 1
        factor = SAFETY * error**-power if np.isfinite(error) else SMALLEST
        size = dt * float(np.clip(factor, 0.1, 0.9))
    factor = SAFETY * max(error, 1e-10) ** (-PROPORTIONAL * power)
    factor *= max(previous, 1e-10) ** (INTEGRAL * power)
    if rejected:
        factor = min(factor, 1.0)
    grown = dt * float(np.clip(factor, SMALLEST, LARGEST))
    # A step cut short to meet a time of output says nothing against the size before.
    following = control.fixed or (max(grown, size) if dt < 0.8 * size else grown)
    reuse = pair.first_is_last and (course.step + 1) % control.redraw != 0
    with held_interrupts() as asked:
        if why:
            log.restarts.append(t)
            log.restart_errors.append(restarted_error)
        if course.recording.wants(t):
            course.recording.keep(t, state, slope)
        log.enter(t, dt, residual, solve)
        course.carried = slopes[-1] if reuse else None
        course.carried_solve = solve if reuse else None
        course.t = stop if left == 1 else t + dt
        course.state, course.size, course.sizes = new, float(following), sizes
        course.previous = max(error, 1e-4)
        course.last_restart = last_restart
        course.regularisation = evolution.regularisation
        course.rejected += rejected
        course.evaluations += evaluations
        course.cg_iterations += iterations
        course.step += 1
    asked.catch_up()
    if course.step > MOST_STEPS:
        raise SolverError(
            f"{MOST_STEPS:,} steps were taken, and t is {course.t:.6g}",
            code="E741",
            advice="raise `rtol`, or shorten the time range",
        )
    return ""


def _tunes(step: int) -> bool:
    """Whether the regularisation is looked at before this step: 1, 2, 4, 8, 16, 24, …"""
    return step % TUNE_EVERY == 0 if step >= TUNE_EVERY else step in (1, 2, 4)


def _finish(evolution: Evolution, control: StepControl, course: Course) -> None:
    """The last state with its slope, and the residual there."""
    t, state = course.t, course.state
    evolution.regularisation = course.regularisation
    sample = evolution.sample(course.step // control.redraw, state, t)
    slope, solve = evolution.velocity(state, t, sample, course.evaluations)
    if not solve.finite:
        raise _not_finite(evolution, course.step, state, t, sample)
    residual = evolution.residual(state, slope, t, course.step)
    course.evaluations += 1
    course.cg_iterations += solve.iterations
    course.recording.keep(t, state, slope)
    course.log.enter(t, 0.0, residual, solve)


def _last_solve(course: Course) -> Solve | None:
    log = course.log
    return Solve(int(log.iterations[-1]), log.condition[-1]) if log.time else None


def _error(
    evolution: Evolution,
    control: StepControl,
    sample: Any,
    states: tuple[np.ndarray, np.ndarray],
    difference: np.ndarray,
    times: tuple[float, float],
    sizes: np.ndarray,
) -> float:
    """The error of a step against its tolerance: the worst field's, or that of the parameters.

    `states` and `times` are those before and after the step. What the difference of both formulas
    does to the fields is looked at in both: one that a step has made vanish hides errors.
    """
    if not np.all(np.isfinite(states[1])):
        return np.inf
    if control.on_parameters:
        bound = control.atol + control.rtol * float(np.linalg.norm(states[0]))
        return float(np.linalg.norm(difference)) / bound
    errors = np.zeros_like(sizes)
    for state, t in zip(states, times, strict=True):
        reached = evolution.values(state, t, sample)
        gap = reached - evolution.values(state - difference, t, sample)
        # A step that is much too large may overflow, and is refused.
        with np.errstate(over="ignore"):
            sizes = np.maximum(sizes, np.sqrt(np.mean(reached**2, axis=1)))
            errors = np.maximum(errors, np.sqrt(np.mean(gap**2, axis=1)))
    bound = np.maximum(control.atol + control.rtol * sizes, 1e-300)
    found = float(np.max(errors / bound))
    return found if np.isfinite(found) else np.inf


def _not_finite(
    evolution: Evolution, number: int, state: np.ndarray, t: float, sample: Any
) -> SolverError:
    return SolverError(
        f"step {number:,} has no finite values at t = {t:.6g}: "
        f"{evolution.culprit(state, t, sample)}",
        code="E740",
        advice="check that term for the values that the fields take there; choose steps by `rtol` "
        "or take a smaller `dt`, or a larger μ, `linear=auto(regularisation=…)`; a solution may "
        "also blow up by itself",
    )
