"""Inverses of small symbolic matrices without growth and without needless cancellation.

A mass matrix couples few fields at a time. Rows and columns that the pattern does not couple are
inverted apart: a single entry by its reciprocal, numbers exactly, anything else as adjugate over
determinant with a plain symbol for every distinct entry, reduced to lowest terms in these symbols.
The work therefore depends on the pattern alone and never on how large the entries are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sympy

from pdesl.diagnostics import PdeslError
from pdesl.symbolic.functions import vanishes

__all__ = ["MAXIMUM_COUPLED", "Singular", "TooCoupled", "invert"]

# Rows that a matrix with symbolic entries may couple: the terms of a determinant grow as their
# factorial. Matrices of numbers are inverted exactly and may be larger.
MAXIMUM_COUPLED = 4
MAXIMUM_NUMERIC = 64

Entries = Sequence[Sequence[sympy.Expr]]


class Singular(PdeslError):
    """A part of a matrix has no inverse: its `rows` and `columns`, by position."""

    def __init__(self, rows: Sequence[int], columns: Sequence[int]):
        self.rows = tuple(rows)
        self.columns = tuple(columns)
        super().__init__(f"rows {self.rows} and columns {self.columns} have no inverse")


class TooCoupled(PdeslError):
    """A part of a matrix couples more rows than are inverted symbolically."""

    def __init__(self, rows: Sequence[int], columns: Sequence[int]):
        self.rows = tuple(rows)
        self.columns = tuple(columns)
        super().__init__(f"rows {self.rows} are coupled")


def invert(matrix: Entries) -> list[list[sympy.Expr]]:
    """B with B A = 1 for a square matrix A of expressions.

    Args:
        matrix: A by rows; entries that vanish identically but are not written as zero count as
            entries, and only a determinant that vanishes at random points is taken for zero.

    Raises:
        Singular: the determinant of a coupled part vanishes, or it is not square.
        TooCoupled: a part with symbolic entries couples more than `MAXIMUM_COUPLED` rows.
    """
    size = len(matrix)
    found: list[list[sympy.Expr]] = [[sympy.S.Zero] * size for _ in range(size)]
    for rows, columns in _parts(matrix):
        if len(rows) != len(columns):
            raise Singular(rows, columns)
        own = sympy.Matrix([[matrix[i][j] for j in columns] for i in rows])
        inverse = _inverse(own, rows, columns)
        for a, j in enumerate(columns):
            for b, i in enumerate(rows):
                found[j][i] = inverse[a, b]
    return found


def _parts(matrix: Entries) -> list[tuple[list[int], list[int]]]:
    """Rows and columns that the nonzero entries connect."""
    size = len(matrix)
    free_rows, free_columns = set(range(size)), set(range(size))
    parts: list[tuple[list[int], list[int]]] = []
    while free_rows or free_columns:
        rows, columns = set(), set()
        new_rows = {min(free_rows)} if free_rows else set()
        new_columns = set() if free_rows else {min(free_columns)}
        while new_rows or new_columns:
            rows |= new_rows
            columns |= new_columns
            reached = {j for i in new_rows for j in range(size) if matrix[i][j] != 0} - columns
            new_rows = {i for j in new_columns for i in range(size) if matrix[i][j] != 0} - rows
            new_columns = reached
        free_rows -= rows
        free_columns -= columns
        parts.append((sorted(rows), sorted(columns)))
    return parts


def _inverse(own: Any, rows: list[int], columns: list[int]) -> Any:
    if own.rows == 1:
        entry = own[0, 0]
        if entry == 0 or vanishes(entry):
            raise Singular(rows, columns)
        return sympy.Matrix([[1 / entry]])
    if own.rows <= MAXIMUM_NUMERIC and all(e.is_Rational for e in own):
        if own.to_DM().to_field().rank() < own.rows:
            raise Singular(rows, columns)
        return own.to_DM().to_field().inv().to_Matrix()
    if own.rows > MAXIMUM_COUPLED:
        raise TooCoupled(rows, columns)
    names: dict[sympy.Expr, sympy.Dummy] = {}

    def plain(entry: sympy.Expr) -> sympy.Expr:
        if entry.is_Rational:
            return entry
        sign, core = (-1, -entry) if entry.could_extract_minus_sign() else (1, entry)
        return sign * names.setdefault(core, sympy.Dummy())

    generic = own.applyfunc(plain)
    values = {dummy: entry for entry, dummy in names.items()}
    determinant = sympy.expand(generic.det(method="berkowitz"))
    whole = determinant.xreplace(values)
    if determinant == 0 or whole == 0 or vanishes(whole):
        raise Singular(rows, columns)
    adjugate = generic.adjugate()
    return adjugate.applyfunc(lambda e: sympy.cancel(e / determinant).xreplace(values))
