"""Steps in time by Taylor series of the solution, for semi-discrete systems that are not stiff.

Every term is explicit, u' = f(t, u), and the series of u about the present time comes from f
itself, one coefficient at a time (`lowering.jets.flow`). The step is the longest one for which the
last two coefficients are within tolerance; the defect at its end verifies it. Values within a
step are those of the polynomial, kept so densely that interpolation between them is as good.

Source: À. Jorba, M. Zou, A software package for the numerical integration of ODEs by means of
high-order Taylor methods, Experimental Mathematics 14, 2005, sections 3.2 and 3.3.
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil, log
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import Array

from pdesl.diagnostics import SolverError
from pdesl.lowering.jets.coefficients import taylor_coefficients
from pdesl.lowering.jets.flow import flow_coefficients
from pdesl.lowering.learned import Learned
from pdesl.lowering.learned_space import multiply
from pdesl.lowering.learned_system import LearnedSystem
from pdesl.solvers.marching import NO_STEP, Control, Course, Recording, drive

__all__ = ["SeriesSystem", "march_by_series", "order_for"]

SAFETY = 0.9
# How far the defect may exceed the tolerance before a step is taken back.
DEFECT = 10.0
# Values between the ends of a step are kept for an interpolant with an error of this order.
DENSE_ORDER = 8
MOST_STEPS = 200_000


class SeriesSystem(eqx.Module):
    """A semi-discrete system all of whose terms are explicit, in JAX.

    Attributes:
        system: without unknowns and closures; states are rows of it.
        damping: a matrix (n, all values) whose product is added to f, or none.
    """

    system: LearnedSystem
    damping: Any = None

    def whole(self, t: Any, state: Array) -> Array:
        """All values (F·M,), those that boundary conditions fix among them."""
        return self.system.tables(state[None], t, _NOTHING).reshape(-1)

    def velocity(self, t: Any, state: Array) -> Array:
        """f(t, u), (n,)."""
        found = self.system.explicit(t, state[None], _NOTHING)[0]
        if self.damping is None:
            return found
        return found + multiply(self.damping, self.whole(t, state)[None])[0]

    def series(self, t: Any, state: Array, order: int) -> tuple[Array, Array]:
        """Coefficients (order + 1, n) of the solution, and those of all values."""
        own = flow_coefficients(self.velocity, t, state, order)
        whole = own
        if self.system.lift is not None:
            whole = taylor_coefficients(self.whole, [[t, jnp.ones_like(t)], own], order)
        return jnp.stack(own), jnp.stack(whole)


_NOTHING = Learned(np.zeros(0))  # pyright: ignore[reportArgumentType]


@eqx.filter_jit
def _expand(system: SeriesSystem, t: Array, state: Array, order: int) -> tuple[Array, Array]:
    return system.series(t, state, order)


def order_for(rtol: float) -> int:
    """The order of least work for a tolerance, 1 − ½ log ε (equation 3-10), from 4 to 20."""
    return int(np.clip(ceil(1.0 - 0.5 * log(rtol)), 4, 20))


def _polynomial(coefficients: np.ndarray, h: float) -> np.ndarray:
    result = coefficients[-1]
    for coefficient in coefficients[-2::-1]:
        result = result * h + coefficient
    return result


def _slope(coefficients: np.ndarray, h: float) -> np.ndarray:
    return _polynomial(coefficients[1:] * np.arange(1, len(coefficients))[:, None], h)


def march_by_series(
    system: SeriesSystem,
    order: int,
    control: Control,
    course: Course,
    span: tuple[float, float],
    as_state: Callable[[np.ndarray], np.ndarray],
    *,
    progress: Callable[[int, float, float], None],
    keep: Callable[[bool], None],
    halt: Callable[[float, np.ndarray], bool] | None = None,
) -> bool:
    """Advance a course to the last time, or until Ctrl-C, which waits for the end of a step.

    Args:
        system: f.
        order: of the series.
        control: fixed steps, or the tolerance of the last coefficients.
        course: where it stands, with the state (n,) of `system`; it is advanced in place.
        span: first and last time.
        as_state: from all values (F·M,) to what is kept.
        progress: hears of (steps, time, size of the step), now and then.
        keep: called after every step, with whether the course has to be saved now.
        halt: tells after every step, of (time, kept state), whether it was the last.

    Returns:
        Whether it was interrupted.

    Raises:
        SolverError: E740 a state that is not finite, E741 a step size that vanishes or too many
            steps.
    """
    expansion = _Expansion(system, order, as_state, course.t, course.state)
    if not np.all(np.isfinite(expansion.own)):
        raise _not_finite(course.steps, course.t)

    def halts() -> bool:
        return halt is not None and halt(course.t, as_state(expansion.whole[0]))

    def advance() -> None:
        with np.errstate(all="ignore"):
            _advance(expansion, control, course, span)

    interrupted = drive(course, span[1], advance, halts, progress=progress, keep=keep)
    whole = expansion.whole
    course.recording.keep(course.t, as_state(whole[0]), as_state(whole[1]))
    if not interrupted:
        progress(course.steps, course.t, course.dt)
    return interrupted


class _Expansion:
    """The series about one time: `own` of the state, `whole` of all values, (order + 1, …)."""

    def __init__(
        self,
        system: SeriesSystem,
        order: int,
        as_state: Callable[[np.ndarray], np.ndarray],
        t: float,
        state: np.ndarray,
    ) -> None:
        self.system, self.order, self.as_state = system, order, as_state
        self.own, self.whole = self.about(t, state)

    def about(self, t: float, state: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        found = _expand(self.system, jnp.asarray(t), jnp.asarray(state), self.order)
        return np.asarray(found[0]), np.asarray(found[1])

    def kept(self, recording: Recording, t: float, h: float) -> None:
        """Keep state and slope at a distance from the time it is about, if they are wanted."""
        if recording.wants(t):
            values, slopes = _polynomial(self.whole, h), _slope(self.whole, h)
            recording.keep(t, self.as_state(values), self.as_state(slopes))


def _advance(
    expansion: _Expansion, control: Control, course: Course, span: tuple[float, float]
) -> None:
    """One step, as long as the series allows."""
    t, last = course.t, span[1]
    own, whole = expansion.own, expansion.whole
    size = _Size(whole[0], len(expansion.system.system.fields), control)
    h = control.dt or _length(whole, size)
    if not h > 0.0:
        raise _vanished(t)
    left = last - t
    # What is left is parted evenly, so that no step is much shorter than the others.
    if control.dt or left < 4.0 * h:
        h = left / max(ceil(left / h - 1e-9), 1)
    while True:
        if h < NO_STEP * (last - span[0]):
            raise _vanished(t)
        there = last if left - h <= 1e-12 * left else t + h
        following, after = expansion.about(there, _polynomial(own, h))
        finite = bool(np.all(np.isfinite(after)))
        if control.dt is not None and not finite:
            raise _not_finite(course.steps + 1, there)
        defect = size.of(_slope(whole, h) - after[1]) * h
        if control.dt is not None or (finite and defect <= DEFECT):
            break
        course.rejected += 1
        h *= 0.5
    parts = max(ceil(h / _dense(whole, size, h)), 1) if control.dt is None else 1
    for part in range(parts):
        expansion.kept(course.recording, t + h * part / parts, h * part / parts)
    expansion.own, expansion.whole = following, after
    course.t, course.state, course.dt = there, following[0], h
    course.times.append(there)
    course.sizes.append(h)
    if course.steps > MOST_STEPS:
        raise _too_many(there)


class _Size:
    """‖e‖: the root mean square of e/(atol + rtol max(s, |u|)), s that of the field."""

    def __init__(self, values: np.ndarray, fields: int, control: Control) -> None:
        table = values.reshape(fields, -1)
        whole = np.sqrt(np.mean(table**2, axis=1, keepdims=True))
        # A field that is zero is measured by the others.
        whole = np.where(whole > 0.0, whole, whole.max(initial=0.0) or 1.0)
        bound = control.atol + control.rtol * np.maximum(np.abs(table), whole)
        self.bound = bound.reshape(-1)

    def of(self, error: np.ndarray) -> float:
        return float(np.sqrt(np.mean((error / self.bound) ** 2)))


def _length(series: np.ndarray, size: _Size) -> float:
    """Where the last two coefficients meet the tolerance; infinite where they vanish."""
    order = len(series) - 1
    sizes = {k: size.of(series[k]) for k in (order - 1, order)}
    return SAFETY * min(v ** (-1.0 / k) if v > 0 else np.inf for k, v in sizes.items())


def _dense(series: np.ndarray, size: _Size, h: float) -> float:
    """The distance of kept times for which interpolation of degree 7 meets the tolerance."""
    if len(series) <= DENSE_ORDER:
        return h
    eighth = size.of(series[DENSE_ORDER])
    return eighth ** (-1.0 / DENSE_ORDER) if eighth > 0 else h


def _not_finite(number: int, t: float) -> SolverError:
    return SolverError(
        f"the series is not finite after step {number}, at t = {t:.6g}",
        code="E740",
        advice="choose steps by `rtol` in place of `dt`; a root or a logarithm whose argument "
        "reaches zero has no series there, and a solution may blow up by itself",
    )


def _vanished(t: float) -> SolverError:
    return SolverError(
        f"no step is small enough at t = {t:.6g}: the series does not meet the equation",
        code="E741",
        advice="a solution that jumps, kinks or blows up has no series there; choose an IMEX "
        "method, `time = imex_rk4`, or end the time range before",
    )


def _too_many(t: float) -> SolverError:
    return SolverError(
        f"{MOST_STEPS:,} steps were taken, and t is {t:.6g}",
        code="E741",
        advice="the system is stiff: choose `time = imex_rk4`, or `dirk4` where nonlinear terms "
        "are stiff too",
    )
