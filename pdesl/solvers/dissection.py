"""Geometric nested dissection: an order of elimination for equations on scattered nodes.

The nodes are halved along the longer side of their box; the nodes of one half that the other half
touches are a separator, eliminated after both halves, which are dissected in turn. In d
dimensions the factors of N unknowns hold O(N log N) entries (d = 2) or O(N^(4/3)) (d = 3), and
take O(N^(3/2)) or O(N²) operations, with constants that grow with the width of the stencils.

Source: A. George, SIAM J. Numer. Anal. 10 (1973) 345; R. Lipton, D. Rose and R. Tarjan, SIAM J.
Numer. Anal. 16 (1979) 346.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Dissection", "dissect"]

# Parts of so few nodes are not divided further: about a stencil, inside which all is coupled.
LEAF = 64


@dataclass(frozen=True, slots=True)
class Dissection:
    """An order of elimination and what it costs.

    `order` (N,) lists the nodes, the first to be eliminated first; `fill` is the number of
    entries of both triangular factors and `operations` that of multiplications and additions,
    both upper estimates for a factorisation without pivoting that fills every front.
    """

    order: np.ndarray
    fill: float
    operations: float


def dissect(points: np.ndarray, graph: Any, sizes: np.ndarray, leaf: int = LEAF) -> Dissection:
    """Nested dissection of the nodes (N, d) of a graph.

    Args:
        points: places of the nodes (N, d). Periodic neighbours need not be near one another.
        graph: symmetric CSR matrix (N, N), whose pattern says which nodes are coupled.
        sizes: unknowns at each node (N,).
        leaf: parts of at most so many nodes are not divided.
    """
    found: list[np.ndarray] = []
    fill = operations = 0.0
    # Numbers of the sets that touched a node last: one array for all, instead of one each.
    stamp = np.zeros(len(points), dtype=np.int64)
    count = 0

    def touched(part: np.ndarray, candidates: np.ndarray) -> np.ndarray:
        """Which of the candidates have a neighbour in the part."""
        nonlocal count
        count += 1
        stamp[graph[part].indices] = count
        return stamp[candidates] == count

    # A stack of parts with the nodes eliminated later that touch them; parts are found in the
    # reverse of their elimination: separator, second half, first half.
    stack: list[tuple[np.ndarray, np.ndarray]] = [(np.arange(len(points)), np.empty(0, np.int64))]
    while stack:
        part, border = stack.pop()
        first, second, separator = (
            _halve(part, points, touched) if len(part) > leaf else _whole(part)
        )
        own, outer = float(sizes[separator].sum()), float(sizes[border].sum())
        fill += own * own + 2.0 * own * outer
        operations += 2.0 * own * (own * own / 3.0 + own * outer + outer * outer)
        found.append(separator)
        if len(first):
            around = np.concatenate([border, separator])
            stack.append((first, around[touched(first, around)]))
            stack.append((second, around[touched(second, around)]))
    order = np.concatenate(found[::-1])
    return Dissection(order, fill, operations)


def _whole(part: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return part[:0], part[:0], part


def _halve(
    part: np.ndarray, points: np.ndarray, touched: Any
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two halves and their separator; only a separator where the halves cannot be parted."""
    places = points[part]
    along = places[:, int(np.argmax(np.ptp(places, axis=0)))]
    middle = len(part) // 2
    ranked = np.argpartition(along, middle)
    first, second = part[ranked[:middle]], part[ranked[middle:]]
    cut = touched(first, second)
    if cut.all():
        return _whole(part)
    return first, second[~cut], second[cut]
