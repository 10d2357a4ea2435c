"""From the first time to the last: steps of fixed or controlled size, and what is kept of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import ceil

import numpy as np

from pdesl.diagnostics import SolverError
from pdesl.solvers.integrators import Integrator
from pdesl.solvers.stepping import Stepping

__all__ = ["Control", "Recording", "march"]

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

    def _thin_out(self) -> None:
        self._stride *= 2
        last = len(self.times) - 1
        kept = [i for i, t in enumerate(self.times) if i % 2 == 0 or i == last or t in self.always]
        self.times = [self.times[i] for i in kept]
        self.states = [self.states[i] for i in kept]
        self.slopes = [self.slopes[i] for i in kept]


@dataclass(slots=True)
class _Course:
    """Counts and sizes of the steps taken."""

    steps: int = 0
    rejected: int = 0
    smallest: float = np.inf
    largest: float = 0.0
    times: list[float] = field(default_factory=list)
    sizes: list[float] = field(default_factory=list)

    def taken(self, t: float, dt: float) -> None:
        self.steps += 1
        self.smallest, self.largest = min(self.smallest, dt), max(self.largest, dt)
        self.times.append(t)
        self.sizes.append(dt)


def march(
    system: Stepping,
    integrator: Integrator,
    control: Control,
    span: tuple[float, float],
    stops: Sequence[float],
    progress: Callable[[int, float, float], None],
    halt: Callable[[float, np.ndarray], bool] | None = None,
) -> tuple[Recording, _Course]:
    """Advance a system from the first time to the last.

    Args:
        system: what is advanced.
        integrator: how.
        control: the size of steps; fixed ones are shortened so that `stops` are met exactly.
        span: first and last time.
        stops: times that are met exactly and kept, in ascending order, the last one included.
        progress: hears of (steps, time, size of the step), now and then.
        halt: tells after every step, of (time, state), whether it was the last.

    Returns:
        What is kept, and the course of the steps.

    Raises:
        SolverError: E740 a state that is not finite, with the step and the row; E741 a step size
            that vanishes, or too many steps.
    """
    t, last = span
    state = system.start
    recording = Recording(frozenset((t, *stops)))
    course = _Course()
    begin, heard = time.perf_counter(), 0.0
    size = control.dt or _first_step(system, t, state, last - t, integrator.order, control)
    previous = 1.0
    scale = _sizes(system, state)
    recording.wants(t)
    waiting = True  # the state at t is to be kept as soon as its slope is known
    dt = 0.0
    halted = False
    for stop in stops:
        if halted:
            break
        left = 0  # steps of the present size to the stop
        while t < stop and not halted:
            if not left:
                left = max(ceil((stop - t) / size - 1e-9), 1)
                fitted = (stop - t) / left
                # The size before, where it differs by rounding alone: its factors serve again.
                dt = dt if abs(fitted - dt) <= 1e-12 * fitted else fitted
            if dt < NO_STEP * (last - span[0]):
                raise _vanished(t, system, state)
            step = integrator.step(system, t, state, dt)
            if control.dt is None:
                assert step.error is not None
                error = _relative(system, step.error, state, step.state, scale, control)
                power = 1.0 / integrator.order
                if not error <= 1.0:
                    course.rejected += 1
                    factor = SAFETY * error**-power if np.isfinite(error) else 0.25
                    size, left = dt * float(np.clip(factor, 0.1, 0.9)), 0
                    integrator.restart()
                    continue
                factor = SAFETY * max(error, 1e-10) ** (-PROPORTIONAL * power)
                factor *= max(previous, 1e-10) ** (INTEGRAL * power)
                factor, previous = float(np.clip(factor, SMALLEST, LARGEST)), error
                if factor < HARMFUL or dt * factor > WORTHWHILE * size:
                    size, left = dt * factor, 1
            elif not np.all(np.isfinite(step.state)):
                raise _not_finite(course.steps + 1, t, dt, system, state)
            if waiting:
                recording.keep(t, state, _whole_slope(system, t, state, step.slope))
            left -= 1
            t = t + dt if left or stop - t > 1.5 * dt else stop
            state = step.state
            course.taken(t, dt)
            waiting = recording.wants(t)
            halted = halt is not None and halt(t, state)
            if course.steps > MOST_STEPS:
                raise _too_many(t)
            if not course.steps % 16:
                scale = np.maximum(scale, _sizes(system, state))
                if time.perf_counter() - begin - heard > 0.2:
                    heard = time.perf_counter() - begin
                    progress(course.steps, t, dt)
    if not np.all(np.isfinite(state)):
        raise _not_finite(course.steps, t, size, system, state)
    recording.keep(t, state, system.slope(t, state))
    progress(course.steps, t, size)
    return recording, course


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


def _vanished(t: float, system: Stepping, state: np.ndarray) -> SolverError:
    return SolverError(
        f"no step is small enough at t = {t:.6g}: the error does not fall with it, and "
        f"{system.culprit(t, state)} are largest",
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
