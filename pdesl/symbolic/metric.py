"""Metrics: the matrix g_{μν} of a problem over all its coordinates, its inverse, its determinant.

A file spells a metric out (`ds² = …`, `g = [[…]]`) or names one of `METRICS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sympy

from pdesl.diagnostics import Diagnostic, ProblemError
from pdesl.language.names import suggest
from pdesl.symbolic.functions import vanishes
from pdesl.symbolic.problem import MetricSpec, Problem

__all__ = ["METRICS", "Metric", "NamedMetric", "metric_of"]

Matrix = sympy.ImmutableDenseMatrix
# Coordinates that a metric may mix: the terms of a determinant grow as their factorial.
MAXIMUM_BLOCK = 4


@dataclass(frozen=True, slots=True)
class Metric:
    """g_{μν} over some coordinates, with g^{μν} and det g."""

    matrix: Matrix
    inverse: Matrix
    determinant: sympy.Expr

    @staticmethod
    def of(matrix: Matrix) -> Metric:
        """The metric of a symmetric matrix.

        Coordinates that do not mix are inverted apart, each block by its adjugate with a plain
        symbol for every entry, so that the work does not grow with the entries.
        """
        size = matrix.rows
        inverse = sympy.zeros(size, size).as_mutable()
        determinant: sympy.Expr = sympy.S.One
        for block in _blocks(matrix):
            names = {
                (i, j): sympy.Dummy() if matrix[i, j] != 0 else sympy.S.Zero
                for i in block
                for j in block
                if i <= j
            }
            plain = sympy.Matrix(
                [[names[min(i, j), max(i, j)] for j in block] for i in block]
            )  # fmt: skip
            values = {s: matrix[i, j] for (i, j), s in names.items() if s != 0}
            own: Any = plain.det(method="berkowitz")
            determinant *= own.xreplace(values)
            adjugate = plain.adjugate()
            for row, i in enumerate(block):
                for column, j in enumerate(block):
                    inverse[i, j] = (adjugate[row, column] / own).xreplace(values)
        return Metric(matrix, Matrix(inverse), determinant)

    def restricted(self, axes: Sequence[int]) -> Metric:
        """The induced metric on the surface that some of the axes span."""
        if list(axes) == list(range(self.matrix.rows)):
            return self
        return Metric.of(self.matrix.extract(list(axes), list(axes)))


def _blocks(matrix: Matrix) -> list[list[int]]:
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


# -- metrics by name -----------------------------------------------------------------------


def _schwarzschild(
    symbols: Sequence[sympy.Symbol], mass: sympy.Expr, center: Sequence[sympy.Expr], chart: str
) -> Metric:
    """ds² = −(1 − s/r) dt² + dr²/(1 − s/r) + r² dΩ² with s = 2M, in units with G = c = 1.

    In the Cartesian-like chart x = r n the spatial part is δ_ij + s/(r − s) n_i n_j, and det g
    is −1 (C. W. Misner, K. S. Thorne, J. A. Wheeler, Gravitation, equation 31.1).
    """
    s = 2 * mass
    if chart == "spherical":
        _, r, polar, _ = symbols
        lapse = 1 - s / r
        return Metric.of(Matrix(sympy.diag(-lapse, 1 / lapse, r**2, (r * sympy.sin(polar)) ** 2)))
    arms = [x - c for x, c in zip(symbols[1:], center, strict=True)]
    r = sympy.sqrt(sympy.Add(*(a**2 for a in arms)))
    lapse = 1 - s / r

    def part(i: int, j: int, factor: sympy.Expr) -> sympy.Expr:
        return sympy.Integer(i == j) + factor * arms[i] * arms[j]

    matrix, inverse = sympy.diag(-lapse, 0, 0, 0), sympy.diag(-1 / lapse, 0, 0, 0)
    for i in range(3):
        for j in range(3):
            matrix[i + 1, j + 1] = part(i, j, s / (r - s) / r**2)
            inverse[i + 1, j + 1] = part(i, j, -s / r**3)
    return Metric(Matrix(matrix), Matrix(inverse), -sympy.S.One)


@dataclass(frozen=True, slots=True)
class NamedMetric:
    """One entry of `METRICS`: its options with their defaults (None: must be given).

    `charts` lists the choices of the option `chart`; `time` and `space` say what coordinates
    the metric is over.
    """

    name: str
    build: Callable[..., Metric]
    options: Mapping[str, Any]
    charts: tuple[str, ...]
    space: int
    time: bool = True
    words: str = ""


METRICS: dict[str, NamedMetric] = {
    m.name: m
    for m in (
        NamedMetric(
            "schwarzschild", _schwarzschild,
            {"mass": None, "center": (sympy.S.Zero,) * 3, "chart": "cartesian"},
            ("cartesian", "spherical"), 3, True,
            "a black hole of a mass, horizon at r = 2 mass; coordinates t and x, y, z or r, θ, φ",
        ),
    )
}  # fmt: skip


def metric_of(problem: Problem) -> Metric | None:
    """The metric over `problem.coordinates`; None where the file states none.

    Raises:
        ProblemError: a metric by a name that is not known (E605), wrong options (E322), or a
            matrix that is degenerate or mixes too many coordinates (E335).
    """
    spec = problem.metric
    if spec is None:
        return None
    if spec.matrix is None:
        return _named(spec, problem)
    matrix = Matrix(spec.matrix)
    if any(len(block) > MAXIMUM_BLOCK for block in _blocks(matrix)):
        raise _wrong(
            spec, "E335", f"this metric mixes more than {MAXIMUM_BLOCK} of its coordinates",
            "leave out mixed terms, or choose coordinates in which they vanish",
        )  # fmt: skip
    metric = Metric.of(matrix)
    if metric.determinant == 0 or vanishes(metric.determinant):
        raise _wrong(spec, "E335", "this metric is degenerate: its determinant is zero",
                     "give each coordinate a term of its own")  # fmt: skip
    return metric


def _wrong(spec: MetricSpec, code: str, message: str, *helps: str) -> ProblemError:
    return ProblemError([Diagnostic(code, message, spec.span, helps=tuple(h for h in helps if h))])


def _named(spec: MetricSpec, problem: Problem) -> Metric:
    entry = METRICS.get(spec.name)
    if entry is None:
        guess = suggest(spec.name, list(METRICS))
        raise _wrong(
            spec, "E605", f"there is no metric named `{spec.name}`",
            f"did you mean `{guess}`?" if guess else "",
            "spell it out, `ds² = -(1 - 2M/r) dt² + dr²/(1 - 2M/r) + …`",
        )  # fmt: skip
    given = dict(spec.arguments)
    for name in given:
        if name not in entry.options:
            guess = suggest(name, list(entry.options))
            raise _wrong(
                spec, "E322", f"`{spec.name}` has no option `{name}`",
                f"did you mean `{guess}`?" if guess else f"it has: {', '.join(entry.options)}",
            )  # fmt: skip
    options: dict[str, Any] = {}
    for name, default in entry.options.items():
        value = given.get(name, default)
        if value is None:
            raise _wrong(spec, "E322", f"`{spec.name}` needs `{name}`", f"{spec.name}({name}=1)")
        options[name] = _symbolic(value)
    chart = options["chart"]
    if chart not in entry.charts:
        raise _wrong(
            spec, "E322", f"`{spec.name}` has no such chart",
            "charts: " + ", ".join(f'"{c}"' for c in entry.charts),
        )  # fmt: skip
    if len(problem.space) != entry.space or (problem.time is None) is entry.time:
        time = "t and " if entry.time else ""
        raise _wrong(spec, "E322", f"`{spec.name}` is over {time}{entry.space} spatial coordinates")
    for name, default in entry.options.items():
        value = options[name]
        if isinstance(default, tuple):
            fits = isinstance(value, tuple) and len(value) == len(default)
        else:
            fits = (
                isinstance(value, str)
                if isinstance(default, str)
                else isinstance(value, sympy.Expr)
            )
        if not fits:
            raise _wrong(spec, "E322", f"`{name}` of `{spec.name}` is given in a wrong form")
    return entry.build([c.symbol for c in problem.coordinates], **options)


def _symbolic(value: Any) -> Any:
    """An option as SymPy has it; texts stay texts, a choice is its name."""
    if isinstance(value, tuple):
        return tuple(_symbolic(v) for v in value)
    if isinstance(value, bool | str | sympy.Basic):
        return value
    if isinstance(value, int):
        return sympy.Integer(value)
    if isinstance(value, float):
        return sympy.Rational(repr(value))
    return getattr(value, "name", value)
