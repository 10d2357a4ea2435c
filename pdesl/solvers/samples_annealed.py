"""Samples that follow a density from many dimensions, where uniform candidates would miss it.

Particles start uniform in the domain and are led to the density g through g^λ, 0 = λ₀ < … < 1:
at every level they are weighted by g^Δλ, chosen again by their weights, and moved by steps of the
Metropolis algorithm that keep g^λ (sequential Monte Carlo: P. Del Moral, A. Doucet and A. Jasra,
J. R. Stat. Soc. B 68, 2006). Levels are as far apart as the particles' weights allow. The
means of the weights along the way multiply to Z, the mean of g over the domain.

With a share s of such particles among uniform points, the density of all of them against the
uniform one is (1 − s) + s g/Z; its inverse is the weight of a point, which makes means over the
points estimates of means over the domain.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

__all__ = ["annealed_samples"]

# The effective share of particles that a level leaves.
EFFECTIVE = 0.6
# Steps of the Metropolis algorithm at a level, and the share of them that should be taken.
MOVES, ACCEPTED = 10, 0.3
MOST_LEVELS = 200
LEAST_LOGARITHM = -1e4


def annealed_samples(
    density: Callable[[np.ndarray], np.ndarray],
    start: np.ndarray,
    inside: Callable[[np.ndarray], np.ndarray],
    share: float,
    key: int | Sequence[int],
    *,
    periods: Sequence[float | None] = (),
    lower: Sequence[float] = (),
) -> tuple[np.ndarray, np.ndarray]:
    """Points that follow a density, and their weights.

    Args:
        density: g ≥ 0 (m,) at points (m, d); only its proportions matter.
        start: uniform points (n, d); the last (1 − share) n of them stay where they are.
        inside: whether points (m, d) lie in the domain.
        share: of the points that follow the density, in (0, 1).
        key: of all random choices.
        periods, lower: the period of a coordinate, None without one, and where it begins.

    Returns:
        points (n, d) and weights (n,), of mean one but for chance. A density that is zero at all
        particles leaves the uniform points.
    """
    generator = np.random.default_rng(np.atleast_1d(np.asarray(key)))
    count = min(max(round(share * len(start)), 1), len(start) - 1)
    share = count / len(start)
    particles, rest = np.array(start[:count], dtype=float), start[count:]
    heights = _logarithm(density(particles))
    if not np.any(heights > LEAST_LOGARITHM):
        return np.array(start, dtype=float), np.ones(len(start))
    exponent, logarithm, size = 0.0, 0.0, 2.38 / np.sqrt(particles.shape[1])
    for _ in range(MOST_LEVELS):
        step = _step(heights, 1.0 - exponent)
        weights = np.exp(step * (heights - heights.max()))
        logarithm += step * heights.max() + np.log(weights.mean())
        exponent += step
        marks = (np.arange(count) + generator.random()) / count
        chosen = np.searchsorted(np.cumsum(weights) / weights.sum(), marks)
        chosen = np.minimum(chosen, count - 1)
        particles, heights = particles[chosen], heights[chosen]
        # Differences of two particles have the directions and twice the variance of them all.
        for _ in range(MOVES):
            first, second = generator.permutation(count), generator.permutation(count)
            spread = size / np.sqrt(2.0) * (particles[first] - particles[second])
            tried = _wrapped(particles + spread * generator.standard_normal((count, 1)),
                             periods, lower)  # fmt: skip
            reached = np.where(inside(tried), _logarithm(density(tried)), -np.inf)
            taken = np.log(generator.random(count)) < exponent * (reached - heights)
            particles[taken], heights[taken] = tried[taken], reached[taken]
            size *= float(np.exp(np.mean(taken) - ACCEPTED))
        if exponent >= 1.0:
            break
    points = np.concatenate([particles, rest])
    heights = np.concatenate([heights, _logarithm(density(rest))])
    ratio = np.exp(np.minimum(heights - logarithm, 600.0))
    return points, 1.0 / ((1.0 - share) + share * ratio)


def _logarithm(values: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.log(np.asarray(values, dtype=float))
    return np.maximum(np.nan_to_num(found, nan=LEAST_LOGARITHM), LEAST_LOGARITHM)


def _step(heights: np.ndarray, most: float) -> float:
    """The largest step in λ, at most `most`, that leaves the effective share, by bisection."""

    def effective(step: float) -> float:
        weights = np.exp(step * (heights - heights.max()))
        return float(weights.sum() ** 2 / (weights**2).sum()) / len(heights)

    if effective(most) >= EFFECTIVE:
        return most
    low, high = 0.0, most
    for _ in range(40):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if effective(middle) >= EFFECTIVE else (low, middle)
    return max(low, 1e-6 * most)


def _wrapped(
    points: np.ndarray, periods: Sequence[float | None], lower: Sequence[float]
) -> np.ndarray:
    for axis, period in enumerate(periods):
        if period is not None:
            points[:, axis] = lower[axis] + np.mod(points[:, axis] - lower[axis], period)
    return points
