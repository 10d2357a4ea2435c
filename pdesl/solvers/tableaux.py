"""Butcher tableaux of additive Runge-Kutta pairs, in one table.

A step of size Δt of u' = E(t, u) + H(t, u), E explicit and H implicit, is

    U_i     = u_n + Δt Σ_{j<i} a_ij E_j + Δt Σ_{j≤i} ã_ij H_j,        E_j = E(t_n + c_j Δt, U_j)
    u_{n+1} = u_n + Δt Σ_j b_j E_j + Δt Σ_j b̃_j H_j,                  H_j = H(t_n + c̃_j Δt, U_j)

and the embedded weights `error` give a solution of one order less to compare with. Every tableau
here has b = b̃ and one diagonal entry γ = ã_ii in its implicit stages, so that one factorisation
of I − Δt γ J serves all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import sqrt

import numpy as np

__all__ = ["ADDITIVE", "IMPLICIT", "AdditiveTableau"]


@dataclass(frozen=True, slots=True, eq=False)
class AdditiveTableau:
    """One pair: `explicit` (s, s) strictly lower, `implicit` (s, s) lower triangular.

    `weights` (s,) are b = b̃ and `error` (s,) the embedded ones, of order `order` − 1;
    `explicit_nodes` c and `implicit_nodes` c̃ are the row sums.
    """

    name: str
    order: int
    explicit: np.ndarray
    implicit: np.ndarray
    weights: np.ndarray
    error: np.ndarray
    source: str

    @property
    def stages(self) -> int:
        return len(self.weights)

    @property
    def explicit_nodes(self) -> np.ndarray:
        return self.explicit.sum(axis=1)

    @property
    def implicit_nodes(self) -> np.ndarray:
        return self.implicit.sum(axis=1)

    @property
    def diagonal(self) -> float:
        """γ, the common diagonal entry of the implicit stages."""
        return float(self.implicit[-1, -1])

    @property
    def starts_explicit(self) -> bool:
        """Whether the first stage is u_n itself."""
        return float(self.implicit[0, 0]) == 0.0

    @property
    def stiffly_accurate(self) -> bool:
        """Whether the implicit part of the step is that of the last stage."""
        return bool(np.array_equal(self.weights, self.implicit[-1]))


Rows = Sequence[Sequence[int | float | Fraction]]


def _lower(rows: Rows) -> np.ndarray:
    size = len(rows)
    table = np.zeros((size, size))
    for i, row in enumerate(rows):
        table[i, : len(row)] = [float(entry) for entry in row]
    return table


def _pair(
    name: str,
    order: int,
    explicit: Rows,
    implicit: Rows,
    error: Sequence[int | float | Fraction],
    source: str,
    weights: Sequence[float] | None = None,
) -> AdditiveTableau:
    """A pair whose weights are the last implicit row, unless given."""
    table = _lower(implicit)
    b = table[-1].copy() if weights is None else np.asarray(weights, float)
    return AdditiveTableau(
        name, order, _lower(explicit), table, b, np.asarray([float(e) for e in error]), source
    )


F = Fraction

_GAMMA_2 = 1.0 - 1.0 / sqrt(2.0)
_PARESCHI_RUSSO = _pair(
    "imex_rk2",
    2,
    [[], [1]],
    [[_GAMMA_2], [1.0 - 2.0 * _GAMMA_2, _GAMMA_2]],
    [1, 0],
    "SSP2(2,2,2), L. Pareschi and G. Russo, J. Sci. Comput. 25, 2005, table II",
    [0.5, 0.5],
)

_KENNEDY_CARPENTER = "C. A. Kennedy and M. H. Carpenter, Appl. Numer. Math. 44, 2003, appendix C"
_GAMMA_3 = F(1767732205903, 4055673282236)
_ARK3 = _pair(
    "imex_rk3",
    3,
    [
        [],
        [2 * _GAMMA_3],
        [F(5535828885825, 10492691773637), F(788022342437, 10882634858940)],
        [
            F(6485989280629, 16251701735622),
            F(-4246266847089, 9704473918619),
            F(10755448449292, 10357097424841),
        ],
    ],
    [
        [],
        [_GAMMA_3, _GAMMA_3],
        [F(2746238789719, 10658868560708), F(-640167445237, 6845629431997), _GAMMA_3],
        [
            F(1471266399579, 7840856788654),
            F(-4482444167858, 7529755066697),
            F(11266239266428, 11593286722821),
            _GAMMA_3,
        ],
    ],
    [
        F(2756255671327, 12835298489170),
        F(-10771552573575, 22201958757719),
        F(9247589265047, 10645013368117),
        F(2193209047091, 5459859503100),
    ],
    f"ARK3(2)4L[2]SA, {_KENNEDY_CARPENTER}",
)

_ARK4 = _pair(
    "imex_rk4",
    4,
    [
        [],
        [F(1, 2)],
        [F(13861, 62500), F(6889, 62500)],
        [
            F(-116923316275, 2393684061468),
            F(-2731218467317, 15368042101831),
            F(9408046702089, 11113171139209),
        ],
        [
            F(-451086348788, 2902428689909),
            F(-2682348792572, 7519795681897),
            F(12662868775082, 11960479115383),
            F(3355817975965, 11060851509271),
        ],
        [
            F(647845179188, 3216320057751),
            F(73281519250, 8382639484533),
            F(552539513391, 3454668386233),
            F(3354512671639, 8306763924573),
            F(4040, 17871),
        ],
    ],
    [
        [],
        [F(1, 4), F(1, 4)],
        [F(8611, 62500), F(-1743, 31250), F(1, 4)],
        [F(5012029, 34652500), F(-654441, 2922500), F(174375, 388108), F(1, 4)],
        [
            F(15267082809, 155376265600),
            F(-71443401, 120774400),
            F(730878875, 902184768),
            F(2285395, 8070912),
            F(1, 4),
        ],
        [F(82889, 524892), 0, F(15625, 83664), F(69875, 102672), F(-2260, 8211), F(1, 4)],
    ],
    [
        F(4586570599, 29645900160),
        0,
        F(178811875, 945068544),
        F(814220225, 1159782912),
        F(-3700637, 11593932),
        F(61727, 225920),
    ],
    f"ARK4(3)6L[2]SA, {_KENNEDY_CARPENTER}",
)

_GAMMA_5 = F(41, 200)
_ARK5 = _pair(
    "imex_rk5",
    5,
    [
        [],
        [F(41, 100)],
        [F(367902744464, 2072280473677), F(677623207551, 8224143866563)],
        [F(1268023523408, 10340822734521), 0, F(1029933939417, 13636558850479)],
        [
            F(14463281900351, 6315353703477),
            0,
            F(66114435211212, 5879490589093),
            F(-54053170152839, 4284798021562),
        ],
        [
            F(14090043504691, 34967701212078),
            0,
            F(15191511035443, 11219624916014),
            F(-18461159152457, 12425892160975),
            F(-281667163811, 9011619295870),
        ],
        [
            F(19230459214898, 13134317526959),
            0,
            F(21275331358303, 2942455364971),
            F(-38145345988419, 4862620318723),
            F(-1, 8),
            F(-1, 8),
        ],
        [
            F(-19977161125411, 11928030595625),
            0,
            F(-40795976796054, 6384907823539),
            F(177454434618887, 12078138498510),
            F(782672205425, 8267701900261),
            F(-69563011059811, 9646580694205),
            F(7356628210526, 4942186776405),
        ],
    ],
    [
        [],
        [_GAMMA_5, _GAMMA_5],
        [F(41, 400), F(-567603406766, 11931857230679), _GAMMA_5],
        [F(683785636431, 9252920307686), 0, F(-110385047103, 1367015193373), _GAMMA_5],
        [
            F(3016520224154, 10081342136671),
            0,
            F(30586259806659, 12414158314087),
            F(-22760509404356, 11113319521817),
            _GAMMA_5,
        ],
        [
            F(218866479029, 1489978393911),
            0,
            F(638256894668, 5436446318841),
            F(-1179710474555, 5321154724896),
            F(-60928119172, 8023461067671),
            _GAMMA_5,
        ],
        [
            F(1020004230633, 5715676835656),
            0,
            F(25762820946817, 25263940353407),
            F(-2161375909145, 9755907335909),
            F(-211217309593, 5846859502534),
            F(-4269925059573, 7827059040749),
            _GAMMA_5,
        ],
        [
            F(-872700587467, 9133579230613),
            0,
            0,
            F(22348218063261, 9555858737531),
            F(-1143369518992, 8141816002931),
            F(-39379526789629, 19018526304540),
            F(32727382324388, 42900044865799),
            _GAMMA_5,
        ],
    ],
    [
        F(-975461918565, 9796059967033),
        0,
        0,
        F(78070527104295, 32432590147079),
        F(-548382580838, 3424219808633),
        F(-33438840321285, 15594753105479),
        F(3629800801594, 4656183773603),
        F(4035322873751, 18575991585200),
    ],
    f"ARK5(4)8L[2]SA, {_KENNEDY_CARPENTER}",
)

#: Additive pairs by the name that a file gives them.
ADDITIVE: dict[str, AdditiveTableau] = {
    table.name: table for table in (_PARESCHI_RUSSO, _ARK3, _ARK4, _ARK5)
}


def _implicit(name: str, base: AdditiveTableau) -> AdditiveTableau:
    """The implicit part of a pair alone, for fields that are implicit as a whole."""
    return AdditiveTableau(
        name, base.order, base.implicit, base.implicit, base.weights, base.error, base.source
    )


_BACKWARD_EULER = _pair("backward_euler", 1, [[]], [[1]], [0], "L. Euler, 1768")
_CRANK_NICOLSON = _pair(
    "crank_nicolson",
    2,
    [[], [1]],
    [[], [F(1, 2), F(1, 2)]],
    [1, 0],
    "J. Crank and P. Nicolson, Proc. Camb. Phil. Soc. 43, 1947",
)

#: Implicit methods by name: every term of the equation is in the implicit part, whose nodes and
#: coefficients `implicit` and `implicit_nodes` are.
IMPLICIT: dict[str, AdditiveTableau] = {
    table.name: table
    for table in (
        _BACKWARD_EULER,
        _CRANK_NICOLSON,
        _implicit("dirk2", _PARESCHI_RUSSO),
        _implicit("dirk3", _ARK3),
        _implicit("dirk4", _ARK4),
        _implicit("dirk5", _ARK5),
    )
}
