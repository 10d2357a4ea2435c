"""Values at many times: which are kept, and the local polynomials between them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["MOST_MOMENTS", "MOST_TIMES", "TIME_STENCIL", "sample_times", "time_weights"]

# The most numbers kept, and the most times.
MOST_SAMPLES = 4_000_000
MOST_TIMES = 1025
MOST_MOMENTS = 100_000  # of a problem in time alone
TIME_STENCIL = 8  # times of one local polynomial


def time_weights(
    times: NDArray, places: NDArray, order: int, stencil: int = TIME_STENCIL
) -> tuple[NDArray, NDArray]:
    """Weights of the derivative of an order at places (n,) from so many of the nearest times.

    Returns the number of the first time (n,) and the weights (n, k) of that and the following
    ones (B. Fornberg, Math. Comp. 51 (1988) 699, for all places at once).
    """
    width = min(stencil, len(times))
    middle = np.searchsorted(times, places) - width // 2
    first = np.clip(middle, 0, len(times) - width)
    nodes = times[first[:, None] + np.arange(width)]
    weights = np.zeros((len(places), width, order + 1))
    weights[:, 0, 0] = 1.0
    scale = np.ones(len(places))
    for j in range(1, width):
        product = np.ones(len(places))
        gap_before = nodes[:, j - 1] - places
        gap = nodes[:, j] - places
        last = weights[:, j - 1].copy()
        for i in range(j):
            distance = nodes[:, j] - nodes[:, i]
            product = product * distance
            old = weights[:, i].copy()
            for m in range(order, -1, -1):
                lower = m * old[:, m - 1] if m else 0.0
                weights[:, i, m] = (gap * old[:, m] - lower) / distance
        for m in range(order, -1, -1):
            lower = m * last[:, m - 1] if m else 0.0
            weights[:, j, m] = scale / product * (lower - gap_before * last[:, m])
        scale = product
    return first, weights[:, :, order]


def sample_times(
    kept: NDArray | None, span: tuple[float, float], numbers: int, most: int = MOST_TIMES
) -> NDArray:
    """The kept times of a method with those half-way between, or as many as there is room for."""
    most = int(np.clip(MOST_SAMPLES // numbers, TIME_STENCIL, most))
    if kept is None or len(kept) < 2:
        return np.linspace(*span, most if kept is None else TIME_STENCIL)
    whole = np.unique(np.concatenate([kept, (kept[1:] + kept[:-1]) / 2]))
    if len(whole) > most:
        whole = whole[np.unique(np.linspace(0, len(whole) - 1, most).round().astype(int))]
    return whole
