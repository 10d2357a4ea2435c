"""Samples that follow the present solution: a choice among many uniform candidates.

Of m candidates, uniform in the domain, `count` are kept with the inclusion probabilities

    π_j = min(1, c ((1 − share)/m + share g_j/Σ_k g_k)),    Σ_j π_j = count,

g ≥ 0 a density known at the candidates, such as |u|, |∇u| or |∂t u| of the present solution. The
weights w_j = count/(m π_j) make means over the kept points unbiased estimates of means over the
domain, Σ_j w_j f_j/count ≈ ∫f/|Ω|; they are at most about 1/(1 − share). Candidates are gone
through along a space-filling curve with one random shift (systematic sampling: W. G. Madow, 1949),
so that the kept points are spread in proportion to π and none is kept twice.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

__all__ = ["adaptive_samples", "inclusion_probabilities", "morton_order"]

# Bits of a space-filling curve's number.
BITS = 62


def adaptive_samples(
    density: np.ndarray,
    candidates: np.ndarray,
    count: int,
    share: float,
    key: int | Sequence[int] | np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """`count` of the candidates, denser where `density` is large, and their weights.

    Args:
        density: g (m,), at every candidate; only its proportions matter. Where it is not finite
            it counts as its largest finite value, so that trouble is looked at, not avoided.
        candidates: uniform points (m, d) with m ≥ count; ten or twenty times as many let the
            density be followed closely.
        count: points that are kept.
        share: of the points, placed by the density; the others are uniform. In [0, 1).
        key: of the random shift and of the curve; the same key keeps the same points.

    Returns:
        points (count, d), and weights (count,) whose mean is about 1.

    Raises:
        ValueError: fewer candidates than points, a negative density, a share outside [0, 1).
    """
    values = np.array(density, dtype=np.float64)
    points = np.asarray(candidates)
    if values.shape != points.shape[:1]:
        raise ValueError(
            f"a density at every candidate is needed, not {values.shape} for {points.shape}"
        )
    if not 0 < count <= len(points):
        raise ValueError(f"{count} of {len(points)} candidates cannot be kept")
    if not 0.0 <= share < 1.0:
        raise ValueError(f"the share of adaptive samples is in [0, 1), not {share:g}")
    finite = np.isfinite(values)
    values[~finite] = values[finite].max(initial=1.0)
    if np.any(values < 0.0):
        raise ValueError("a density of samples must not be negative")
    probability = inclusion_probabilities(values, count, share)
    generator = np.random.default_rng(np.atleast_1d(np.asarray(key)))
    order = morton_order(points, generator.random(points.shape[1]))
    ends = np.cumsum(probability[order])
    # Rounding must neither lose nor add a point.
    ends *= count / ends[-1]
    marks = np.arange(count) + generator.random()
    places = np.minimum(np.searchsorted(ends, marks, side="right"), len(points) - 1)
    kept = order[_distinct(places, len(points))]
    return points[kept], count / (len(points) * probability[kept])


def inclusion_probabilities(density: np.ndarray, count: int, share: float) -> np.ndarray:
    """π (m,) of the mixture, at most 1 and with the sum `count`."""
    size = len(density)
    total = density.sum()
    focus = density / total if total > 0.0 else np.full(size, 1.0 / size)
    mixture = (1.0 - share) / size + share * focus
    certain = np.zeros(size, dtype=bool)
    # Candidates that would be kept more than once are kept once; the others share what is left.
    while True:
        rest = mixture[~certain].sum()
        factor = (count - np.count_nonzero(certain)) / rest if rest > 0.0 else 0.0
        more = ~certain & (factor * mixture > 1.0)
        if not np.any(more):
            return np.where(certain, 1.0, factor * mixture)
        certain |= more


def morton_order(points: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """The order of points (m, d) along Morton's curve through their bounding box.

    `shift` (d,), fractions of the box, moves the curve's jumps around, cyclically.
    """
    count, dimension = points.shape
    low, high = points.min(axis=0), points.max(axis=0)
    # A little more than the box, lest the last point meets the first.
    width = np.where(high > low, (high - low) * (1.0 + 1e-9), 1.0)
    unit = np.mod((points - low) / width + shift, 1.0)
    bits = max(1, min(BITS // dimension, 21))
    cells = np.minimum((unit * 2.0**bits).astype(np.uint64), np.uint64(2**bits - 1))
    # In more than 62 dimensions the first ones order the points.
    used = min(dimension, BITS // bits)
    code = np.zeros(count, dtype=np.uint64)
    for bit in range(bits):
        for axis in range(used):
            digit = (cells[:, axis] >> np.uint64(bit)) & np.uint64(1)
            code |= digit << np.uint64(bit * used + axis)
    return np.argsort(code, kind="stable")


def _distinct(places: np.ndarray, size: int) -> np.ndarray:
    """Rising places made strictly rising, within 0 … size − 1.

    Probabilities of exactly 1 can meet two marks by rounding; the second goes to the next place.
    """
    numbers = np.arange(len(places))
    rising = np.maximum.accumulate(places - numbers) + numbers
    most = size - len(places) + numbers
    return np.minimum(rising, most)
