"""Derivatives in time by finite differences on the time slices."""

from __future__ import annotations

import numpy as np

__all__ = ["time_matrices"]


def time_matrices(times: np.ndarray, orders: int, accuracy: int) -> np.ndarray:
    """Matrices D_k with (D_k u)_s ≈ u⁽ᵏ⁾(t_s) for values u on the slices.

    Row s has the weights of the nearest k + accuracy slices, exact for polynomials of degree
    below k + accuracy: the error is O(hᵃᶜᶜᵘʳᵃᶜʸ) for smooth u (all slices where there are fewer).

    Args:
        times: increasing, (S,).
        orders: how many derivatives, from the first on.
        accuracy: order of accuracy.

    Returns:
        (orders, S, S).

    Raises:
        ValueError: fewer than k + 1 slices for the k-th derivative.
    """
    count = len(times)
    matrices = np.zeros((orders, count, count))
    for k in range(1, orders + 1):
        if count < k + 1:
            raise ValueError(f"derivative {k} needs {k + 1} time slices, there are {count}")
        size = min(count, k + accuracy)
        for s in range(count):
            first = min(max(s - size // 2, 0), count - size)
            own = np.arange(first, first + size)
            offsets = times[own] - times[s]
            scale = np.max(np.abs(offsets))
            # Σ_j w_j x_j^i = i! [i = k]: the weights that are exact for monomials.
            moments = np.vander(offsets / scale, size, increasing=True).T
            right = np.zeros(size)
            right[k] = float(np.prod(np.arange(1, k + 1)))
            matrices[k - 1, s, own] = np.linalg.solve(moments, right) / scale**k
    return matrices
