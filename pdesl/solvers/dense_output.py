"""A solution between the times that are kept, and between the nodes.

Between two kept times the solution is the Hermite interpolant of states and slopes: of degree
seven through the four times around, where their distances are alike, of degree three else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["DenseOutput", "hermite_weights"]

# Four times serve one interpolant where the longest distance is at most so many shortest ones.
UNEVEN = 3.0


def hermite_weights(times: np.ndarray, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights (n, k) of the values and of the slopes at k times for interpolation at n places.

    Σ_i (1 − 2 (t − t_i) ℓ_i'(t_i)) ℓ_i(t)² u_i + (t − t_i) ℓ_i(t)² u_i', with the Lagrange
    polynomials ℓ_i.
    """
    count = len(times)
    gaps = places[:, None] - times
    lagrange = np.ones((len(places), count))
    slopes = np.zeros(count)
    for i in range(count):
        for j in range(count):
            if i != j:
                lagrange[:, i] *= gaps[:, j] / (times[i] - times[j])
                slopes[i] += 1.0 / (times[i] - times[j])
    squares = lagrange**2
    return (1.0 - 2.0 * gaps * slopes) * squares, gaps * squares


@dataclass(frozen=True, slots=True, eq=False)
class DenseOutput:
    """States and slopes at times (L,) in ascending order."""

    times: np.ndarray
    states: Sequence[np.ndarray]
    slopes: Sequence[np.ndarray]

    def window(self, interval: int) -> slice:
        """The times that the solution on an interval is interpolated from."""
        last = len(self.times)
        first = int(np.clip(interval - 1, 0, max(last - 4, 0)))
        wide = slice(first, min(first + 4, last))
        gaps = np.diff(self.times[wide])
        if len(gaps) == 3 and gaps.max() <= UNEVEN * gaps.min():
            return wide
        return slice(interval, interval + 2)

    def at(self, t: float) -> np.ndarray:
        """The state at one time."""
        known = np.flatnonzero(self.times == t)
        if len(known):
            return self.states[int(known[0])]
        interval = int(np.clip(np.searchsorted(self.times, t) - 1, 0, len(self.times) - 2))
        window = self.window(interval)
        values, slopes = hermite_weights(self.times[window], np.array([t]))
        pairs = range(window.start, window.stop)
        parts = [values[0, k] * self.states[i] for k, i in enumerate(pairs)]
        parts += [slopes[0, k] * self.slopes[i] for k, i in enumerate(pairs)]
        return np.sum(parts, axis=0)

    def evaluate(
        self,
        times: np.ndarray,
        interpolate: Callable[[np.ndarray, Sequence[np.ndarray]], np.ndarray],
        fields: int,
    ) -> np.ndarray:
        """Values (fields, n) at n times, each with a place of its own.

        `interpolate(rows, states)` gives values (k, fields, m) of k states at the places number
        `rows` (m,). A single state holds at all times.
        """
        if len(self.times) == 1:
            return interpolate(np.arange(len(times)), self.states)[0]
        found = np.empty((fields, len(times)))
        intervals = np.clip(
            np.searchsorted(self.times, times, side="right") - 1, 0, len(self.times) - 2
        )
        order = np.argsort(intervals, kind="stable")
        starts = np.flatnonzero(np.diff(intervals[order], prepend=-1))
        for rows in np.split(order, starts[1:]):
            window = self.window(int(intervals[rows[0]]))
            weights = np.concatenate(hermite_weights(self.times[window], times[rows]), axis=1)
            used = np.flatnonzero(np.any(weights != 0.0, axis=0))
            states = [*self.states[window], *self.slopes[window]]
            values = interpolate(rows, [states[k] for k in used])
            found[:, rows] = np.einsum("mk,kfm->fm", weights[:, used], values)
        return found
