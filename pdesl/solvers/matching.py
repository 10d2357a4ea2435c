"""Which equation goes with which unknown, so that the diagonal of a matrix is large.

Equations and unknowns belong to nodes, as many of the one as of the other; at each node the
assignment of its equations to its unknowns with the largest product of entries is taken (I. S. Duff
and J. Koster, SIAM J. Matrix Anal. Appl. 22 (2001) 973, there for a whole matrix).
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

__all__ = ["match_at_nodes"]

# Assignments of up to so many equations are compared one by one, all nodes at a time.
ENUMERATED = 4
# Logarithm that stands for an entry that is zero.
NOTHING = -1e3


def match_at_nodes(matrix: Any, row_nodes: np.ndarray, column_nodes: np.ndarray) -> Any:
    """For each node, its equations and its unknowns in matching order.

    Args:
        matrix: CSR (R, R), its rows scaled alike.
        row_nodes: the node of each equation (R,).
        column_nodes: the node of each unknown (R,).

    Returns:
        Equations (R,), unknowns (R,) and the start of each node in both (N + 1,); None where a
        node has more equations than unknowns or fewer.
    """
    nodes = int(max(row_nodes.max(), column_nodes.max())) + 1
    counts = np.bincount(row_nodes, minlength=nodes)
    if not np.array_equal(counts, np.bincount(column_nodes, minlength=nodes)):
        return None
    starts = np.concatenate([[0], np.cumsum(counts)])
    rows, columns = (np.argsort(n, kind="stable") for n in (row_nodes, column_nodes))
    row_place, column_place = (_inverse(order) - starts[node] for order, node in (
        (rows, row_nodes), (columns, column_nodes)))  # fmt: skip
    entries = matrix.tocoo()
    own = row_nodes[entries.row] == column_nodes[entries.col]
    i, j, size = entries.row[own], entries.col[own], np.abs(entries.data[own])
    for count in np.unique(counts[counts > 1]):
        members = np.flatnonzero(counts == count)
        place = np.full(nodes, -1)
        place[members] = np.arange(len(members))
        here = place[row_nodes[i]] >= 0
        logs = np.full((len(members), count, count), NOTHING)
        with np.errstate(divide="ignore"):
            logs[place[row_nodes[i[here]]], row_place[i[here]], column_place[j[here]]] = np.maximum(
                np.log(size[here]), NOTHING
            )
        best = _assign(logs)
        slots = starts[members][:, None] + np.arange(count)
        columns[slots] = np.take_along_axis(columns[slots], best, axis=1)
    return rows, columns, starts


def _inverse(order: np.ndarray) -> np.ndarray:
    inverse = np.empty_like(order)
    inverse[order] = np.arange(len(order))
    return inverse


def _assign(logs: np.ndarray) -> np.ndarray:
    """For blocks (B, m, m), the column of each row (B, m) that gives the largest sum."""
    size = logs.shape[1]
    if size > ENUMERATED:
        return np.array([linear_sum_assignment(block, maximize=True)[1] for block in logs])
    choices = np.array(list(itertools.permutations(range(size))))
    sums = logs[:, np.arange(size), choices].sum(axis=2)
    return choices[np.argmax(sums, axis=1)]
