"""Conditions on integrals of nodal values, where constraints leave constants free."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import scipy.sparse
import sympy

from pdesl.ir.integrals import Constants
from pdesl.ir.system import System
from pdesl.lowering.imex_nodal import Border
from pdesl.lowering.places import Places
from pdesl.lowering.space import NodalSpace
from pdesl.lowering.time_functions import TimeFunction, make_time_function
from pdesl.symbolic.geometry import Region
from pdesl.symbolic.geometry.quadrature import make_quadrature

__all__ = ["make_border"]


def make_border(
    system: System,
    free: Sequence[Constants],
    space: NodalSpace,
    differential: np.ndarray,
    region: Region,
    values: Mapping[sympy.Symbol, float],
) -> Border | None:
    """One condition for each constant that is free, as rows over the nodal values.

    Args:
        system: in evolution form; without conditions on integrals the means over the nodes vanish.
        free: constants by field (`ir.invariance.free_constants`).
        space: the nodes.
        differential: (F·M,), the values that obey an equation in time.
        region: the domain.
        values: a number for every parameter.

    Raises:
        ProblemError: a coefficient that is not finite somewhere (E326).
    """
    if not free:
        return None
    count, size = len(space.points), len(differential)
    leaders = [system.fields.index(next(iter(constants))) for constants in free]
    inside = len(space.cloud.interior)
    columns = np.zeros((size, len(free)))
    for k, field in enumerate(leaders):
        columns[field * count : field * count + inside, k] = 1.0
    columns[differential] = 0.0
    if system.integrals:
        rows, data = _integrals(system, space, region, values)
    else:
        nodes = len(space.cloud.evaluation)
        rows = np.zeros((len(free), size))
        for k, field in enumerate(leaders):
            rows[k, field * count : field * count + nodes] = 1.0 / nodes
        data = [TimeFunction(lambda t: 0.0)] * len(free)
    return Border(scipy.sparse.csr_matrix(rows), scipy.sparse.csr_matrix(columns), tuple(data))


def _integrals(
    system: System, space: NodalSpace, region: Region, values: Mapping[sympy.Symbol, float]
) -> tuple[np.ndarray, list[TimeFunction]]:
    """W with W u = ∫ Σ_f w_f u_f dV, and b(t)."""
    rule = make_quadrature(region)
    places, volume = Places(rule.points), rule.weights
    first = system.integrals[0].row

    def at_points(expression: sympy.Expr) -> TimeFunction:
        return make_time_function(expression, system, places, values, (), first)

    if system.frame.spatial is not None:
        volume = volume * at_points(system.frame.spatial.density)(0.0)
    interpolation = space.interpolation(rule.points)
    count = len(space.points)
    rows = np.zeros((len(system.integrals), len(system.fields) * count))
    data: list[TimeFunction] = []
    for g, condition in enumerate(system.integrals):
        for term in condition.row.linear:
            field = system.fields.index(term.jet.field)
            weights = volume * at_points(term.coefficient)(0.0)
            rows[g, field * count : (field + 1) * count] += interpolation.T @ weights
        rest, constant = at_points(condition.row.forcing), at_points(condition.constant)
        data.append(
            TimeFunction(
                lambda t, rest=rest, constant=constant: (
                    -float(constant(t)[0]) - float(np.sum(volume * rest(t)))
                )
            )
        )
    return rows, data
