"""Embedded explicit Runge-Kutta pairs, in one table.

k_i = f(t + c_i h, y + h Σ_{j<i} a_ij k_j),    y ← y + h Σ b_i k_i,    error = h Σ (b_i − b̂_i) k_i
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

__all__ = ["PAIRS", "ExplicitPair"]


@dataclass(frozen=True, slots=True, eq=False)
class ExplicitPair:
    """`matrix` (s, s) strictly lower, `weights` (s,) of order `order`, `embedded` of another.

    The error of a step falls as h^(power). `first_is_last`: the last stage of a step is the
    first of the next one.
    """

    name: str
    order: int
    power: int
    matrix: np.ndarray
    weights: np.ndarray
    embedded: np.ndarray
    source: str

    @property
    def stages(self) -> int:
        return len(self.weights)

    @property
    def nodes(self) -> np.ndarray:
        return self.matrix.sum(axis=1)

    @property
    def first_is_last(self) -> bool:
        return bool(np.array_equal(self.matrix[-1], self.weights))


def _pair(
    name: str,
    orders: tuple[int, int],
    rows: Sequence[str],
    weights: str,
    embedded: str,
    source: str,
) -> ExplicitPair:
    """From rows of fractions; those left out at the end are zero."""
    size = len(rows)
    matrix = np.zeros((size, size))
    for i, row in enumerate(rows):
        entries = [float(Fraction(entry)) for entry in row.split()]
        matrix[i, : len(entries)] = entries

    def vector(text: str) -> np.ndarray:
        found = np.zeros(size)
        entries = [float(Fraction(entry)) for entry in text.split()]
        found[: len(entries)] = entries
        return found

    return ExplicitPair(
        name, orders[0], min(orders) + 1, matrix, vector(weights), vector(embedded), source
    )


PAIRS: dict[str, ExplicitPair] = {
    pair.name: pair
    for pair in (
        _pair(
            "rk23", (3, 2),
            ("", "1/2", "0 3/4", "2/9 1/3 4/9"),
            "2/9 1/3 4/9 0", "7/24 1/4 1/3 1/8",
            "P. Bogacki and L. F. Shampine, Appl. Math. Lett. 2, 1989",
        ),
        _pair(
            "rk45", (5, 4),
            (
                "", "1/5", "3/40 9/40", "44/45 -56/15 32/9",
                "19372/6561 -25360/2187 64448/6561 -212/729",
                "9017/3168 -355/33 46732/5247 49/176 -5103/18656",
                "35/384 0 500/1113 125/192 -2187/6784 11/84",
            ),
            "35/384 0 500/1113 125/192 -2187/6784 11/84 0",
            "5179/57600 0 7571/16695 393/640 -92097/339200 187/2100 1/40",
            "J. R. Dormand and P. J. Prince, J. Comput. Appl. Math. 6, 1980",
        ),
        _pair(
            "rk78", (8, 7),
            (
                "", "2/27", "1/36 1/12", "1/24 0 1/8", "5/12 0 -25/16 25/16", "1/20 0 0 1/4 1/5",
                "-25/108 0 0 125/108 -65/27 125/54", "31/300 0 0 0 61/225 -2/9 13/900",
                "2 0 0 -53/6 704/45 -107/9 67/90 3",
                "-91/108 0 0 23/108 -976/135 311/54 -19/60 17/6 -1/12",
                "2383/4100 0 0 -341/164 4496/1025 -301/82 2133/4100 45/82 45/164 18/41",
                "3/205 0 0 0 0 -6/41 -3/205 -3/41 3/41 6/41",
                "-1777/4100 0 0 -341/164 4496/1025 -289/82 2193/4100 51/82 33/164 12/41 0 1",
            ),
            "0 0 0 0 0 34/105 9/35 9/35 9/280 9/280 0 41/840 41/840",
            "41/840 0 0 0 0 34/105 9/35 9/35 9/280 9/280 41/840 0 0",
            "E. Fehlberg, NASA TR R-287, 1968, table X",
        ),
    )
}  # fmt: skip
