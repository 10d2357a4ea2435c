"""`Metric`: g_{μν} over some coordinates with g^{μν}, det g and √|det g|, found by structure.

Coordinates that do not mix are inverted apart. A block is recognised as a diagonal plus one
dyad, D + f l lᵀ, where it is one, and inverted by the formula of Sherman and Morrison

    (g + f l lᵀ)⁻¹ = g⁻¹ − f/(1 + f l·l) l♯ l♯ᵀ,     det(g + f l lᵀ) = (1 + f l·l) det g,

with l♯ = g⁻¹ l and l·l = l l♯ (G. H. Golub, C. F. Van Loan, Matrix Computations, section 2.1.4);
any other small block by its adjugate. Nothing is expanded or simplified as a whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import sympy

from pdesl.symbolic.functions import vanishes
from pdesl.symbolic.metric.ranges import Ranges, refine, sign_of

__all__ = ["MAXIMUM_BLOCK", "Landmark", "Matrix", "Metric", "blocks"]

Matrix = sympy.ImmutableDenseMatrix
# Coordinates that a metric may mix: the terms of a determinant grow as their factorial.
MAXIMUM_BLOCK = 4


@dataclass(frozen=True, slots=True)
class Landmark:
    """A place where a chart ends or is singular: `level` vanishes there.

    `words` name it, `value` is the number that the words end with, if they do.
    """

    words: str
    level: sympy.Expr
    value: sympy.Expr | None = None


@dataclass(frozen=True, slots=True)
class Metric:
    """g_{μν} over some coordinates, with g^{μν} and det g.

    `volume` is √|det g| where it is known in closed form; `space` the metric on all coordinates
    but the first, likewise. `roots` names square roots that occur, each with what is under it,
    such as r with x² + y² + z², or another expression with what it is in terms of earlier names.
    These follow from the matrix and take no part in comparisons.
    """

    matrix: Matrix
    inverse: Matrix
    determinant: sympy.Expr
    volume: sympy.Expr | None = field(default=None, compare=False)
    space: Metric | None = field(default=None, compare=False, repr=False)
    landmarks: tuple[Landmark, ...] = field(default=(), compare=False, repr=False)
    roots: tuple[tuple[str | sympy.Expr, sympy.Expr], ...] = field(
        default=(), compare=False, repr=False
    )

    @staticmethod
    def of(matrix: Matrix) -> Metric:
        """The metric of a symmetric matrix."""
        return _found(Matrix(matrix))

    @staticmethod
    def diagonal(*entries: sympy.Expr) -> Metric:
        """Σ entry_i dx_i²."""
        return _found(Matrix(sympy.diag(*entries)))

    def plus_dyad(
        self,
        factor: sympy.Expr,
        covector: Sequence[sympy.Expr],
        *,
        raised: Sequence[sympy.Expr] | None = None,
        square: sympy.Expr | None = None,
        space: Metric | None = None,
    ) -> Metric:
        """The metric g + f l lᵀ.

        Args:
            factor: f.
            covector: the components l_μ.
            raised: g^{μν} l_ν, where it is known in a shorter form than the product.
            square: l_μ l^μ, likewise; 0 for the null vectors of Kerr-Schild charts.
            space: the metric that the result induces on all coordinates but the first.
        """
        size = self.matrix.rows
        low = list(covector)
        high = list(raised) if raised is not None else [
            sympy.Add(*(self.inverse[i, j] * low[j] for j in range(size))) for i in range(size)
        ]  # fmt: skip
        if square is None:
            square = sympy.Add(*(a * b for a, b in zip(low, high, strict=True)))
        scale = 1 + factor * square
        share = factor / scale
        rows = range(size)
        volume = None
        if self.volume is not None and scale == 1:
            volume = self.volume
        return Metric(
            Matrix(size, size, lambda i, j: self.matrix[i, j] + factor * (low[i] * low[j])),
            Matrix([[self.inverse[i, j] - share * (high[i] * high[j]) for j in rows]
                    for i in rows]),
            self.determinant * scale,
            volume,
            space,
        )  # fmt: skip

    def restricted(self, axes: Sequence[int]) -> Metric:
        """The induced metric on the surface that some of the axes span."""
        size = self.matrix.rows
        if list(axes) == list(range(size)):
            return self
        if self.space is not None and list(axes) == list(range(1, size)):
            return self.space
        return Metric.of(self.matrix.extract(list(axes), list(axes)))

    def with_time(self) -> Metric:
        """−dt² + this metric: space with a time apart, in front."""
        minus = sympy.ImmutableDenseMatrix([[-1]])

        def joined(block: Matrix) -> Matrix:
            return Matrix(sympy.diag(minus, block))

        return Metric(
            joined(self.matrix), joined(self.inverse), -self.determinant, self.volume, self,
            self.landmarks, self.roots,
        )  # fmt: skip

    def permuted(self, order: Sequence[int]) -> Metric:
        """The same metric with its coordinates in another order; entry i is the old place."""
        places = list(order)
        if places == list(range(self.matrix.rows)):
            return self
        space = self.space
        if space is not None:
            space = space.permuted([p - 1 for p in places[1:]]) if places[0] == 0 else None
        return Metric(
            Matrix(self.matrix.extract(places, places)),
            Matrix(self.inverse.extract(places, places)),
            self.determinant, self.volume, space, self.landmarks, self.roots,
        )  # fmt: skip

    def refined(self, ranges: Ranges) -> Metric:
        """The same with |·| and sign(·) left out where the ranges prove a sign, and √|det g|."""
        matrix = self.matrix.applyfunc(lambda e: refine(e, ranges))
        inverse = self.inverse.applyfunc(lambda e: refine(e, ranges))
        determinant = refine(self.determinant, ranges)
        volume = self.volume
        if volume is None:
            volume = _root_of_size(determinant, ranges)
        space = self.space.refined(ranges) if self.space is not None else None
        return Metric(
            Matrix(matrix), Matrix(inverse), determinant, refine(volume, ranges), space,
            self.landmarks, self.roots,
        )  # fmt: skip

    @property
    def density(self) -> sympy.Expr:
        """√|det g|, the volume of a unit cell of coordinates."""
        return self.volume if self.volume is not None else _root_of_size(self.determinant, {})


def blocks(matrix: Matrix) -> list[list[int]]:
    """Sets of indices that the matrix couples."""
    waiting = list(range(matrix.rows))
    found = []
    while waiting:
        block = [waiting.pop(0)]
        for i in block:
            joined = [j for j in waiting if matrix[i, j] != 0]
            block += joined
            waiting = [j for j in waiting if j not in joined]
        found.append(sorted(block))
    return found


def _found(matrix: Any) -> Metric:
    return _of(matrix)


@lru_cache(maxsize=128)
def _of(matrix: Any) -> Metric:
    size = matrix.rows
    inverse = sympy.zeros(size, size).as_mutable()
    factors: list[sympy.Expr] = []
    for block in blocks(matrix):
        own = Matrix(matrix.extract(block, block))
        part = _inverted(own)
        factors.append(part.determinant)
        for row, i in enumerate(block):
            for column, j in enumerate(block):
                inverse[i, j] = part.inverse[row, column]
    return Metric(matrix, Matrix(inverse), _signed_product(factors))


def _inverted(block: Any) -> Metric:
    if block.rows == 1:
        return Metric(
            block, block if block[0, 0] == 0 else Matrix([[1 / block[0, 0]]]), block[0, 0]
        )
    return _dyad(block) or _adjugate(block)


def _dyad(block: Any) -> Metric | None:
    """A block D + f l lᵀ with D diagonal and of fewer operations than the block, else None.

    Off the diagonal g_ij = f l_i l_j, so with l_0 = 1 the factor is f = g_01 g_02/g_12.
    """
    size = block.rows
    if size < 3 or any(block[i, j] == 0 for i in range(size) for j in range(i)):
        return None
    factor: Any = block[0, 1] * block[0, 2] / block[1, 2]
    covector: list[Any] = [sympy.S.One, *(block[0, j] / factor for j in range(1, size))]
    rest = [block[i, i] - factor * covector[i] ** 2 for i in range(size)]
    if sum(map(sympy.count_ops, rest)) >= sum(sympy.count_ops(block[i, i]) for i in range(size)):
        return None
    if any(r == 0 for r in rest):
        return None
    for i in range(1, size):
        for j in range(1, i):
            gap = factor * covector[i] * covector[j] - block[i, j]
            if gap != 0 and not vanishes(gap):
                return None
    found = _found(Matrix(sympy.diag(*rest))).plus_dyad(factor, covector)
    return Metric(block, found.inverse, found.determinant)


def _adjugate(block: Any) -> Metric:
    """By the adjugate, with a plain symbol for every entry, so that the work does not grow."""
    size = block.rows
    names = {
        (i, j): sympy.Dummy() if block[i, j] != 0 else sympy.S.Zero
        for i in range(size)
        for j in range(i, size)
    }
    plain = sympy.Matrix(
        [[names[min(i, j), max(i, j)] for j in range(size)] for i in range(size)]
    )  # fmt: skip
    values = {s: block[i, j] for (i, j), s in names.items() if s != 0}
    determinant: Any = plain.det(method="berkowitz")
    adjugate = plain.adjugate()
    whole: Any = determinant.xreplace(values)
    if whole.is_zero:
        return Metric(block, block, whole)  # degenerate: its reader tells so
    rows = range(size)
    entries = [[adjugate[i, j].xreplace(values) / whole for j in rows] for i in rows]
    return Metric(block, Matrix(entries), whole)


def _signed_product(factors: Sequence[sympy.Expr]) -> sympy.Expr:
    """A product in which a factor and its negative meet as powers of one base.

    So −1 + 2M/r, as the expansion of a line element leaves it, cancels 1/(1 − 2M/r).
    """
    pieces = []
    for base, exponent in (f.as_base_exp() for f in sympy.Mul.make_args(sympy.Mul(*factors))):
        if isinstance(base, sympy.Add) and exponent.is_Integer and base.could_extract_minus_sign():
            pieces += [(-1) ** exponent, (-base) ** exponent]
        else:
            pieces.append(base**exponent)
    return sympy.Mul(*pieces)


def _root_of_size(expression: sympy.Expr, ranges: Ranges) -> sympy.Expr:
    """√|e|, factor by factor, with the signs that the ranges prove."""

    def size(base: sympy.Expr) -> sympy.Expr:
        sign = sign_of(base, ranges)
        return sign * base if sign else sympy.Abs(base)

    pieces = []
    for factor in sympy.Mul.make_args(expression):
        base, exponent = factor.as_base_exp()
        if exponent.is_Rational:
            pieces.append(size(base) ** (exponent / 2))
        else:
            pieces.append(sympy.sqrt(size(factor)))
    return sympy.Mul(*pieces)
