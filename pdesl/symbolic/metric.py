"""The metric of a problem as a matrix over all its coordinates."""

from __future__ import annotations

import sympy

from pdesl.diagnostics import Diagnostic, ProblemError
from pdesl.symbolic.problem import Problem

__all__ = ["metric_matrix"]


def metric_matrix(problem: Problem) -> sympy.ImmutableDenseMatrix | None:
    """g_{μν} over `problem.coordinates`; None where the file states no metric.

    Raises:
        ProblemError: a metric by name that is not known (E605), or a degenerate matrix (E322).
    """
    metric = problem.metric
    if metric is None:
        return None
    if metric.matrix is None:
        raise ProblemError(
            [
                Diagnostic(
                    "E605", f"there is no metric named `{metric.name}`", metric.span,
                    helps=("spell it out, `ds² = -(1 - 2M/r) dt² + dr²/(1 - 2M/r) + …`",),
                )
            ]
        )  # fmt: skip
    matrix = sympy.ImmutableDenseMatrix(metric.matrix)
    if matrix.det() == 0:
        raise ProblemError([Diagnostic("E322", "this metric is degenerate", metric.span)])
    return matrix
