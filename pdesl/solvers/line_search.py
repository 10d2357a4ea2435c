"""Strong-Wolfe line search as a state that takes one evaluation at a time.

The search looks for a step a along a descent direction with

    φ(a) ≤ φ(0) + c₁ a φ′(0)   and   |φ′(a)| ≤ c₂ |φ′(0)|,

keeping a bracket [low, high]: at `low` the decrease is sufficient and φ still falls, at `high` one
of both fails, so an acceptable step lies between. Near round-off, where φ(a) − φ(0) is noise, the
approximate conditions of W. Hager and H. Zhang (SIAM J. Optim. 16, 2005, section 4)

    (2c₁ − 1) φ′(0) ≥ φ′(a) ≥ c₂ φ′(0),   φ(a) ≤ φ(0) + ε|φ(0)|

are accepted too. Written as a state machine, so that the compiled program contains the loss once.
"""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp
from jax import Array

__all__ = ["ACCEPTED", "FAILED", "SEARCHING", "LineSearch"]

SEARCHING, ACCEPTED, FAILED = 0, 1, 2

SUFFICIENT_DECREASE = 1e-4
CURVATURE = 0.9
MOST_EVALUATIONS = 20


class LineSearch(eqx.Module):
    """`step` is the next step to evaluate until `status` leaves SEARCHING; then the result."""

    value: Array
    slope: Array
    low_step: Array
    low_value: Array
    low_slope: Array
    high_step: Array
    high_value: Array
    high_slope: Array
    step: Array
    count: Array
    forced: Array
    status: Array

    @staticmethod
    def start(value: Array, slope: Array, step: Array, forced: Array) -> LineSearch:
        """A search from φ(0) = value, φ′(0) = slope.

        Args:
            step: the first step to try.
            forced: accept that step whatever the value there is, as long as it is finite.
        """
        zero = jnp.zeros_like(value)
        infinite = jnp.full_like(value, jnp.inf)
        return LineSearch(
            value=value,
            slope=slope,
            low_step=zero,
            low_value=value,
            low_slope=slope,
            high_step=infinite,
            high_value=infinite,
            high_slope=zero,
            step=step,
            count=jnp.zeros((), jnp.int32),
            forced=forced,
            status=jnp.full((), SEARCHING, jnp.int32),
        )

    def advance(self, value: Array, slope: Array) -> LineSearch:
        """The search after an evaluation of φ and φ′ at `step`."""
        epsilon = jnp.finfo(value.dtype).eps
        finite = jnp.isfinite(value) & jnp.isfinite(slope)
        value = jnp.where(finite, value, jnp.inf)
        slope = jnp.where(finite, slope, 0.0)
        decreased = value <= self.value + SUFFICIENT_DECREASE * self.step * self.slope
        wolfe = decreased & (jnp.abs(slope) <= -CURVATURE * self.slope)
        approximate = (
            (value <= self.value + jnp.sqrt(epsilon) * jnp.abs(self.value))
            & (slope <= (2.0 * SUFFICIENT_DECREASE - 1.0) * self.slope)
            & (slope >= CURVATURE * self.slope)
        )
        accepted = finite & (wolfe | approximate | self.forced)

        falls = decreased & (slope < 0.0)
        low_step = jnp.where(falls, self.step, self.low_step)
        low_value = jnp.where(falls, value, self.low_value)
        low_slope = jnp.where(falls, slope, self.low_slope)
        high_step = jnp.where(falls, self.high_step, self.step)
        high_value = jnp.where(falls, self.high_value, value)
        high_slope = jnp.where(falls, self.high_slope, slope)

        count = self.count + 1
        bracketed = jnp.isfinite(high_step)
        inside = _interpolated(
            low_step, low_value, low_slope, high_step, high_value, high_slope, count
        )
        # Outside: secant through the slopes at the two last steps, within 1.5 to 5 times the step.
        rise = slope - self.low_slope
        secant = self.step - slope * (self.step - self.low_step) / jnp.where(rise > 0, rise, 1.0)
        secant = jnp.where(rise > 0, secant, jnp.inf)
        outside = jnp.clip(secant, 1.5 * self.step, 5.0 * self.step)
        trial = jnp.where(bracketed, inside, outside)

        narrow = bracketed & (high_step - low_step <= 8.0 * epsilon * high_step)
        exhausted = narrow | (count >= MOST_EVALUATIONS) | (self.forced & ~finite)
        # A sufficient decrease was met on the way: go back there and take it.
        fallback = ~accepted & exhausted & (low_step > 0.0) & ~self.forced
        failed = ~accepted & exhausted & ~fallback
        return LineSearch(
            value=self.value,
            slope=self.slope,
            low_step=low_step,
            low_value=low_value,
            low_slope=low_slope,
            high_step=high_step,
            high_value=high_value,
            high_slope=high_slope,
            step=jnp.where(accepted, self.step, jnp.where(fallback, low_step, trial)),
            count=count,
            forced=self.forced | fallback,
            status=jnp.where(accepted, ACCEPTED, jnp.where(failed, FAILED, SEARCHING)).astype(
                jnp.int32
            ),
        )


def _interpolated(
    low: Array,
    low_value: Array,
    low_slope: Array,
    high: Array,
    high_value: Array,
    high_slope: Array,
    count: Array,
) -> Array:
    """A step inside the bracket: minimiser of the cubic, kept a tenth away from both ends."""
    width = high - low
    usable = jnp.isfinite(high_value) & jnp.isfinite(width)
    width_ = jnp.where(usable, width, 1.0)
    rise = jnp.where(usable, high_value, 0.0) - low_value
    # J. Nocedal and S. Wright, Numerical Optimization, 2nd ed. 2006, eq. 3.59
    first = low_slope + high_slope - 3.0 * rise / width_
    square = first * first - low_slope * high_slope
    second = jnp.sqrt(jnp.maximum(square, 0.0))
    denominator = high_slope - low_slope + 2.0 * second
    safe = jnp.where(denominator != 0.0, denominator, 1.0)
    cubic = high - width_ * (high_slope + second - first) / safe
    # Every third step halves, so that the bracket shrinks whatever the interpolation does.
    halve = ~usable | (square < 0.0) | (denominator == 0.0) | (count % 3 == 0)
    middle = low + jnp.where(jnp.isfinite(high_value), 0.5, 0.1) * width
    trial = jnp.where(halve, middle, cubic)
    return jnp.clip(trial, low + 0.1 * width, high - 0.1 * width)
