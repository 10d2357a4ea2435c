"""Finite differences on a line: weights of any order, as sparse matrices and as symbols.

The weights at x of a derivative of order m on n nodes make it exact for polynomials of degree
n − 1 (B. Fornberg, Math. Comp. 51, 1988). Inside a uniform grid central stencils have the order p
of accuracy with p + m − 1 nodes (m odd, p even) or p + m − 1 (m even), near an end one-sided ones
with p + m.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse

from pdesl.diagnostics import SolverError

__all__ = ["central_reach", "derivative_matrix", "difference_symbol", "weights"]


def weights(nodes: np.ndarray, place: float, highest: int) -> np.ndarray:
    """Weights (highest + 1, n) of the derivatives of order 0 … highest at a place.

    The recursion of B. Fornberg, Math. Comp. 51, 1988, section 3; nodes need not be even.
    """
    count = len(nodes)
    found = np.zeros((highest + 1, count))
    found[0, 0] = 1.0
    previous, gap = 1.0, nodes[0] - place
    for i in range(1, count):
        product, last = 1.0, gap
        gap = nodes[i] - place
        top = min(i, highest)
        for j in range(i):
            difference = nodes[i] - nodes[j]
            product *= difference
            if j == i - 1:
                for k in range(top, 0, -1):
                    own = k * found[k - 1, i - 1] - last * found[k, i - 1]
                    found[k, i] = previous * own / product
                found[0, i] = -previous * last * found[0, i - 1] / product
            for k in range(top, 0, -1):
                found[k, j] = (gap * found[k, j] - k * found[k - 1, j]) / difference
            found[0, j] = gap * found[0, j] / difference
        previous = product
    return found


def central_reach(derivative: int, order: int) -> int:
    """How many nodes a central stencil takes on either side; an odd order is raised by one."""
    return (derivative + 1) // 2 - 1 + (order + 1) // 2


def central_weights(derivative: int, order: int, spacing: float) -> np.ndarray:
    """Weights (2 r + 1,) of the central stencil of reach r, exactly even or odd."""
    reach = central_reach(derivative, order)
    own = weights(np.arange(-reach, reach + 1.0), 0.0, derivative)[derivative]
    own = (own + (-1.0) ** derivative * own[::-1]) / 2.0
    return own / spacing**derivative


def derivative_matrix(
    count: int, spacing: float, derivative: int, order: int, *, periodic: bool
) -> scipy.sparse.csr_matrix:
    """∂^derivative on a uniform line of nodes, a sparse matrix (count, count).

    Raises:
        SolverError: E710, fewer nodes than a stencil of the order has.
    """
    if derivative == 0:
        own = np.arange(count)
        return scipy.sparse.csr_matrix((np.ones(count), (own, own)), (count, count))
    reach = central_reach(derivative, order)
    width = max(2 * reach + 1, derivative + order)
    if count < width:
        raise SolverError(
            f"order {order} for a derivative of order {derivative} needs {width} points along "
            f"every coordinate, and there are {count}",
            code="E710",
            advice="take more points, or a lower order",
        )
    inner = central_weights(derivative, order, spacing)
    if periodic:
        rows = np.repeat(np.arange(count), len(inner))
        columns = (rows + np.tile(np.arange(-reach, reach + 1), count)) % count
        entries = np.tile(inner, count)
        return scipy.sparse.csr_matrix((entries, (rows, columns)), (count, count))
    matrix: Any = scipy.sparse.lil_matrix((count, count))
    sided = derivative + order
    for row in range(count):
        if reach <= row < count - reach:
            matrix[row, row - reach : row + reach + 1] = inner
            continue
        first = 0 if row < reach else count - sided
        own = weights(np.arange(first, first + sided, dtype=float), float(row), derivative)
        matrix[row, first : first + sided] = own[derivative] / spacing**derivative
    return matrix.tocsr()


def difference_symbol(waves: np.ndarray, spacing: float, derivative: int, order: int) -> np.ndarray:
    """The factor that the central stencil multiplies exp(i k x) with, for wave numbers k."""
    if derivative == 0:
        return np.ones(len(waves), dtype=complex)
    own = central_weights(derivative, order, spacing)
    reach = len(own) // 2
    angle = np.outer(waves, spacing * np.arange(1, reach + 1))
    if derivative % 2:
        return 2j * np.sin(angle) @ own[reach + 1 :]
    # Summed as differences from the centre: a constant is annihilated exactly.
    return (2.0 * (np.cos(angle) - 1.0) @ own[reach + 1 :]).astype(complex)
