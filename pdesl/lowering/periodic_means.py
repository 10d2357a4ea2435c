"""Conditions on integrals over a periodic box, where constraints leave constants free."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import sympy

from pdesl.ir.integrals import Constants
from pdesl.ir.system import System
from pdesl.lowering.periodic_grid import PeriodicGrid
from pdesl.lowering.places import Places
from pdesl.lowering.time_functions import make_time_function

__all__ = ["make_means"]


def make_means(
    system: System,
    free: Sequence[Constants],
    grid: PeriodicGrid,
    values: Mapping[sympy.Symbol, float],
) -> Callable[[float, np.ndarray], np.ndarray] | None:
    """What to add to the modes of a state so that Σ_f ∫ w_f u_f dV = b(t), for every condition.

    Without conditions the means of the fields that are free vanish. Integrals are sums over the
    grid. None where no constant is free.

    Raises:
        ProblemError: a weight that is not finite somewhere (E326).
    """
    if not free:
        return None
    shares = np.zeros((len(free), len(system.fields)))
    for k, constants in enumerate(free):
        for name, share in constants.items():
            shares[k, system.fields.index(name)] = float(share)
    count = int(np.prod(grid.counts))
    places = Places(grid.points())
    if not system.integrals:
        weights = (shares != 0.0).astype(float)[:, :, None] * np.ones(count)
        data = [lambda t: 0.0] * len(free)
    else:
        weights = np.zeros((len(system.integrals), len(system.fields), count))
        data = []
        for g, condition in enumerate(system.integrals):
            row = condition.row
            for term in row.linear:
                field = system.fields.index(term.jet.field)
                made = make_time_function(term.coefficient, system, places, values, (), row)
                weights[g, field] += made(0.0)
            rest = make_time_function(row.forcing, system, places, values, (), row)
            known = make_time_function(condition.constant, system, places, values, (), row)
            cell = float(np.prod(grid.periods)) / count
            data.append(
                lambda t, rest=rest, known=known, cell=cell: (
                    -float(np.sum(rest(t)) + known(t)[0] / cell)
                )
            )
    table = np.einsum("gfn,kf->gk", weights, shares)
    inverse = np.linalg.inv(table)

    def means(t: float, state: np.ndarray) -> np.ndarray:
        present = grid.to_values(state).reshape(len(system.fields), -1)
        missed = np.array([b(t) for b in data]) - np.einsum("gfn,fn->g", weights, present)
        found = np.zeros_like(state)
        zero = (slice(None), *(0,) * grid.dimension)
        found[zero] = count * (shares.T @ (inverse @ missed))
        return found

    return means
