"""From the first time to the last: steps of fixed or controlled size, and what is kept of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil

import numpy as np

from pdesl.diagnostics import SolverError
from pdesl.solvers.integrators import Integrator
from pdesl.solvers.keeping import held_interrupts
from pdesl.solvers.stepping import Stepping

__all__ = ["NO_STEP", "Control", "Course", "Recording", "drive", "first_course", "march"]

# Bytes of states and slopes that are kept for interpolation in time.
MEMORY = 256e6
SAFETY = 0.9
SMALLEST, LARGEST = 0.2, 5.0
# Exponents of the error and of the one before, over the order of the estimate (PI control).
PROPORTIONAL, INTEGRAL = 0.7, 0.4
# A step size is kept, and its factor with it, while the proposed one is between these shares.
HARMFUL, WORTHWHILE = 0.8, 1.25
# A step below this share of the time span is no step.
NO_STEP = 1e-13
MOST_STEPS = 10_000_000


@dataclass(frozen=True, slots=True)
class Control:
    """How steps are chosen: `dt` fixed, or the largest with an estimated error within tolerance.

    An error e of a field of size s is within tolerance when the root mean square of
    e/(atol + rtol max(s, |u|)) is at most one.
    """

    dt: float | None
    rtol: float = 1e-6
    atol: float = 0.0


@dataclass(slots=True)
class Recording:
    """States and slopes at the ends of steps, thinned out evenly beyond `MEMORY` bytes.

    `always` are times whose states are kept in any case.
    """

    always: frozenset[float]
    times: list[float] = field(default_factory=list)
    states: list[np.ndarray] = field(default_factory=list)
    slopes: list[np.ndarray] = field(default_factory=list)
    _stride: int = 1
    _count: int = 0

    @property
    def thinning(self) -> tuple[int, int]:
        """Every which state is kept, and how many there were."""
        return self._stride, self._count

    def wants(self, t: float) -> bool:
        """Whether the state at this time, the next one reached, is to be kept."""
        wanted = self._count % self._stride == 0 or t in self.always
        self._count += 1
        return wanted

    def keep(self, t: float, state: np.ndarray, slope: np.ndarray) -> None:
        self.times.append(t)
        self.states.append(state)
        self.slopes.append(slope)
        if 2 * state.nbytes * len(self.times) > MEMORY and len(self.times) > 16:
            self._thin_out()

    def to_arrays(self, shape: tuple[int, ...]) -> dict[str, np.ndarray]:
        """Everything, exactly; `shape` is that of a state."""
        found = {
            "recording/times": np.array(self.times),
            "recording/always": np.array(sorted(self.always)),
            "recording/thinning": np.array(self.thinning),
        }
        for name, arrays in (("states", self.states), ("slopes", self.slopes)):
            found[f"recording/{name}"] = np.stack(arrays) if arrays else np.zeros((0, *shape))
        return found

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Recording:
        """The recording that `to_arrays` told."""
        return cls(
            frozenset(map(float, arrays["recording/always"])),
            [float(t) for t in arrays["recording/times"]],
            list(arrays["recording/states"]),
            list(arrays["recording/slopes"]),
            *map(int, arrays["recording/thinning"]),
        )

    def _thin_out(self) -> None:
        self._stride *= 2
        last = len(self.times) - 1
        kept = [i for i, t in enumerate(self.times) if i % 2 == 0 or i == last or t in self.always]
        self.times = [self.times[i] for i in kept]
        self.states = [self.states[i] for i in kept]
        self.slopes = [self.slopes[i] for i in kept]


@dataclass(slots=True)
class Course:
    """Where a run stands: all that its future depends on, and the steps so far.

    Attributes:
        t, state: reached.
        size: of the next step, as the control wants it; `dt` of the last one, as it was taken,
            and `left` how many of that size are left to the next stop.
        scale: the size of every field (fields, 1), as far as it was looked at.
        recording: what is kept. While `waiting`, the state at t is to be kept, as soon as its
            slope is known.
        previous: the error of the last step against its tolerance.
        rejected: how many steps were.
        times, sizes: of the steps taken.
    """

    t: float
    state: np.ndarray
    size: float
    scale: np.ndarray
    recording: Recording
    dt: float = 0.0
    left: int = 0
    previous: float = 1.0
    waiting: bool = True
    rejected: int = 0
    times: list[float] = field(default_factory=list)
    sizes: list[float] = field(default_factory=list)

    @property
    def steps(self) -> int:
        return len(self.times)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Everything, exactly."""
        return {
            "numbers": np.array([self.t, self.size, self.dt, self.previous]),
            "counts": np.array([self.left, self.waiting, self.rejected]),
            "state": self.state,
            "scale": self.scale,
            "times": np.array(self.times),
            "sizes": np.array(self.sizes),
            **self.recording.to_arrays(self.state.shape),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Course:
        """The course that `to_arrays` told."""
        t, size, dt, previous = map(float, arrays["numbers"])
        left, waiting, rejected = map(int, arrays["counts"])
        return cls(
            t, arrays["state"], size, arrays["scale"], Recording.from_arrays(arrays), dt, left,
            previous, bool(waiting), rejected, arrays["times"].tolist(), arrays["sizes"].tolist(),
        )  # fmt: skip


def first_course(
    system: Stepping,
    order: int,
    control: Control,
    span: tuple[float, float],
    stops: Sequence[float],
) -> Course:
    """The course before the first step of a method of this order."""
    t, last = span
    state = system.start
    size = control.dt or _first_step(system, t, state, last - t, order, control)
    recording = Recording(frozenset((t, *stops)))
    recording.wants(t)
    return Course(t, state, size, _sizes(system, state), recording)


def drive(
    course: Course,
    last: float,
    advance: Callable[[], None],
    halts: Callable[[], bool],
    *,
    progress: Callable[[int, float, float], None],
    keep: Callable[[bool], None],
) -> bool:
    """Advance a course to the last time, or until Ctrl-C, which waits for the end of a step.

    Args:
        course: what `advance` advances, by a step or by none.
        last: the last time.
        advance: tries one step.
        halts: whether the step that was taken is the last.
        progress: hears of (steps, time, size of the step), now and then.
        keep: called after every step, with whether the course has to be saved now.

    Returns:
        Whether it was interrupted.
    """
    interrupted, heard = False, time.perf_counter()
    halted = course.steps > 0 and halts()
    with held_interrupts() as asked:
        try:
            while course.t < last and not (asked.heard or halted):
                before = course.steps
                advance()
                halted = course.steps > before and halts()
                keep(False)
                if time.perf_counter() - heard > 0.2:
                    heard = time.perf_counter()
                    progress(course.steps, course.t, course.dt)
            interrupted = course.t < last and not halted
        except KeyboardInterrupt:
            if asked.repeated:  # in the middle of a step
                raise
            interrupted = True
    if interrupted:
        if not course.steps:
            raise KeyboardInterrupt
        keep(True)
    return interrupted


def march(
    system: Stepping,
    integrator: Integrator,
    control: Control,
    course: Course,
    span: tuple[float, float],
    stops: Sequence[float],
    *,
    progress: Callable[[int, float, float], None],
    keep: Callable[[bool], None],
    halt: Callable[[float, np.ndarray], bool] | None = None,
) -> bool:
    """Advance a course to the last time, or until Ctrl-C, which waits for the end of a step.

    Args:
        system: what is advanced.
        integrator: how.
        control: the size of steps; fixed ones are shortened so that `stops` are met exactly.
        course: where it stands, new or from a checkpoint; it is advanced in place.
        span: first and last time.
        stops: times that are met exactly and kept, in ascending order, the last one included.
        progress: hears of (steps, time, size of the step), now and then.
        halt: tells after every step, of (time, state), whether it was the last.
        keep: called after every step, with whether the course has to be saved now.

    Returns:
        Whether it was interrupted.

    Raises:
        SolverError: E740 a state that is not finite, with the step and the row; E741 a step size
            that vanishes, or too many steps.
    """
    ends = iter(stops)
    stop = span[0]

    def advance() -> None:
        nonlocal stop
        while not course.t < stop:
            stop = next(ends)
        _advance(system, integrator, control, course, span, stop)

    def halts() -> bool:
        return halt is not None and halt(course.t, course.state)

    interrupted = drive(course, stops[-1], advance, halts, progress=progress, keep=keep)
    t, state = course.t, course.state
    if not np.all(np.isfinite(state)):
        raise _not_finite(course.steps, t, course.size, system, state)
    course.recording.keep(t, state, system.slope(t, state))
    if not interrupted:
        progress(course.steps, t, course.size)
    return interrupted


def _advance(
    system: Stepping,
    integrator: Integrator,
    control: Control,
    course: Course,
    span: tuple[float, float],
    stop: float,
) -> None:
    """Try one step towards a stop."""
    t, state = course.t, course.state
    if not course.left:
        course.left = max(ceil((stop - t) / course.size - 1e-9), 1)
        fitted = (stop - t) / course.left
        # The size before, where it differs by rounding alone: its factors serve again.
        course.dt = course.dt if abs(fitted - course.dt) <= 1e-12 * fitted else fitted
    dt = course.dt
    if dt < NO_STEP * (span[1] - span[0]):
        raise _vanished(course.steps + 1, t, system, state)
    step = integrator.step(system, t, state, dt)
    if control.dt is None:
        assert step.error is not None
        error = _relative(system, step.error, state, step.state, course.scale, control)
        power = 1.0 / integrator.order
        if not error <= 1.0:
            course.rejected += 1
            factor = SAFETY * error**-power if np.isfinite(error) else 0.25
            course.size, course.left = dt * float(np.clip(factor, 0.1, 0.9)), 0
            integrator.restart()
            return
        factor = SAFETY * max(error, 1e-10) ** (-PROPORTIONAL * power)
        factor *= max(course.previous, 1e-10) ** (INTEGRAL * power)
        factor, course.previous = float(np.clip(factor, SMALLEST, LARGEST)), error
        if factor < HARMFUL or dt * factor > WORTHWHILE * course.size:
            course.size, course.left = dt * factor, 1
    elif not np.all(np.isfinite(step.state)):
        raise _not_finite(course.steps + 1, t, dt, system, state)
    if course.waiting:
        course.recording.keep(t, state, _whole_slope(system, t, state, step.slope))
    course.left -= 1
    course.t = t + dt if course.left or stop - t > 1.5 * dt else stop
    course.state = step.state
    course.times.append(course.t)
    course.sizes.append(dt)
    course.waiting = course.recording.wants(course.t)
    if course.steps > MOST_STEPS:
        raise _too_many(course.t)
    if not course.steps % 16:
        course.scale = np.maximum(course.scale, _sizes(system, course.state))


def _whole_slope(
    system: Stepping, t: float, state: np.ndarray, slope: np.ndarray | None
) -> np.ndarray:
    """∂t u at a state; that of a step's first stage serves where no value is algebraic."""
    if slope is not None and system.masked(np.ones_like(state)).all():
        return slope
    return system.slope(t, state)


def _sizes(system: Stepping, state: np.ndarray) -> np.ndarray:
    """The root mean square of every field, (fields, 1)."""
    values = system.values(state)
    with np.errstate(over="ignore"):
        return np.sqrt(np.mean(values**2, axis=1, keepdims=True))


def _relative(
    system: Stepping,
    error: np.ndarray,
    state: np.ndarray,
    new: np.ndarray,
    scale: np.ndarray,
    control: Control,
) -> float:
    """The error against the tolerance; infinite or NaN where a state is not finite."""
    with np.errstate(all="ignore"):
        values = system.values(error)
        size = np.maximum(np.abs(system.values(state)), np.abs(system.values(new)))
        # A field that starts from zero gets its size from the step itself.
        whole = np.maximum(scale, _sizes(system, new))
        bound = control.atol + control.rtol * np.maximum(size, whole)
        return float(np.sqrt(np.mean((values / np.maximum(bound, 1e-300)) ** 2)))


def _first_step(
    system: Stepping, t: float, state: np.ndarray, span: float, order: int, control: Control
) -> float:
    """A first step from the size of the slope (E. Hairer, S. P. Nørsett and G. Wanner, Solving
    ODEs I, 1993, section II.4, without its second trial step)."""
    slope = np.linalg.norm(system.values(system.masked(system.slope(t, state))))
    size = np.linalg.norm(system.values(state))
    if not np.isfinite(slope) or slope == 0.0:
        return 1e-3 * span
    guess = control.rtol ** (1.0 / (order + 1)) * max(float(size), 1e-3) / float(slope)
    return float(np.clip(guess, 1e-8 * span, 0.05 * span))


def _not_finite(
    number: int, t: float, dt: float, system: Stepping, state: np.ndarray
) -> SolverError:
    return SolverError(
        f"the solution is not finite after step {number}, at t = {t + dt:.6g}; before it "
        f"{system.culprit(t, state)} were largest",
        code="E740",
        advice=f"take a smaller step than dt = {dt:.3g}, choose steps by `rtol` in place of `dt`, "
        "or mark the stiff terms with `stiff(…)`; a solution may also blow up by itself",
    )


def _vanished(number: int, t: float, system: Stepping, state: np.ndarray) -> SolverError:
    return SolverError(
        f"step {number:,}, at t = {t:.6g}, cannot be small enough: the error does not fall with "
        f"it, and {system.culprit(t, state)} are largest",
        code="E741",
        advice="the solution may blow up or jump there; end the time range before, raise `rtol`, "
        "or check the terms",
    )


def _too_many(t: float) -> SolverError:
    return SolverError(
        f"{MOST_STEPS:,} steps were taken, and t is {t:.6g}",
        code="E741",
        advice="raise `rtol` or `dt`, choose an implicit method, or shorten the time range",
    )
