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
            # Not Fehlberg's pair of the same orders: its error estimate is zero where the
            # right-hand side depends on t alone.
            "rk78", (8, 7),
            (
                "", "1/18", "1/48 1/16", "1/32 0 3/32", "5/16 0 -75/64 75/64",
                "3/80 0 0 3/16 3/20",
                "29443841/614563906 0 0 77736538/692538347 -28693883/1125000000"
                " 23124283/1800000000",
                "16016141/946692911 0 0 61564180/158732637 22789713/633445777"
                " 545815736/2771057229 -180193667/1043307555",
                "39632708/573591083 0 0 -433636366/683701615 -421739975/2616292301"
                " 100302831/723423059 790204164/839813087 800635310/3783071287",
                "246121993/1340847787 0 0 -37695042795/15268766246 -309121744/1061227803"
                " -12992083/490766935 6005943493/2108947869 393006217/1396673457"
                " 123872331/1001029789",
                "-1028468189/846180014 0 0 8478235783/508512852 1311729495/1432422823"
                " -10304129995/1701304382 -48777925059/3047939560 15336726248/1032824649"
                " -45442868181/3398467696 3065993473/597172653",
                "185892177/718116043 0 0 -3185094517/667107341 -477755414/1098053517"
                " -703635378/230739211 5731566787/1027545527 5232866602/850066563"
                " -4093664535/808688257 3962137247/1805957418 65686358/487910083",
                "403863854/491063109 0 0 -5068492393/434740067 -411421997/543043805"
                " 652783627/914296604 11173962825/925320556 -13158990841/6184727034"
                " 3936647629/1978049680 -160528059/685178525 248638103/1413531060",
            ),
            "14005451/335480064 0 0 0 0 -59238493/1068277825 181606767/758867731"
            " 561292985/797845732 -1041891430/1371343529 760417239/1151165299"
            " 118820643/751138087 -528747749/2220607170 1/4",
            "13451932/455176623 0 0 0 0 -808719846/976000145 1757004468/5645159321"
            " 656045339/265891186 -3867574721/1518517206 465885868/322736535"
            " 53011238/667516719 2/45",
            "P. J. Prince and J. R. Dormand, J. Comput. Appl. Math. 7, 1981, table 2",
        ),
    )
}  # fmt: skip
