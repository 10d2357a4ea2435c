"""Whether equations and conditions agree on ∂t u at the boundary at the start.

A condition u = g that holds at all times asks for ∂t u = ∂t g at the boundary, the equations ask
for ∂t u = L[u₀] there. Where the two differ the solution has a layer at the wall from the first
moment on: it may be what the problem means, and no smooth function follows it at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import sympy

from pdesl.ir.ansatz import Ansatz, held_value
from pdesl.ir.samples import boundary_sample, condition_mask, evaluate, interior_sample
from pdesl.ir.system import System
from pdesl.symbolic.domain import numeric_value
from pdesl.symbolic.functions import UnsupportedExpression
from pdesl.symbolic.geometry import Region
from pdesl.symbolic.jets import derivative

__all__ = ["layer_lines"]

# Differences below this share of the rate inside are no layer.
NOTABLE = 0.02


def layer_lines(
    ansatz: Ansatz, system: System, region: Region, values: Mapping[sympy.Symbol, float]
) -> list[str]:
    """A line for every field whose rate jumps at the boundary at the start.

    Args:
        ansatz: its hard conditions are looked at.
        system: in evolution form.
        region: the domain.
        values: a number for every parameter.
    """
    own, time = system.problem.time, system.time_symbol
    if own is None or own.lower is None or time is None:
        return []
    start = own.lower
    # At the start already here, where exact solutions are short and their slopes cheap.
    data: dict[str, Any] = {
        row.linear[0].jet.field: (-row.forcing).xreplace({time: start}) for row in system.initial
    }
    first = float(numeric_value(start, values, own.span, "a time"))
    space, lines = system.space, []
    inside, walls = interior_sample(region), boundary_sample(region)
    for entry, row in zip(ansatz.fields, system.rows, strict=True):
        held = [r for r in system.boundary if r.name in entry.hard]
        if not held:
            continue
        top = space.jet(entry.field).raised(system.frame.time_axis or 0)
        right = space.symbol(top) - row.parts(space)
        known = {}
        for jet in space.jets(right):
            value = data[jet.field]
            for symbol, order in zip(system.space_symbols, system.space_orders(jet), strict=True):
                for _ in range(order):
                    value = derivative(value, symbol)
            known[space.symbol(jet)] = value
        rate: sympy.Expr = right.xreplace(known)  # pyright: ignore[reportAssignmentType]
        gaps = []
        try:
            (whole,) = evaluate([rate], system, inside, values, first)
            for condition in held:
                asked = derivative(held_value(condition), time)
                (gap,) = evaluate([rate - asked], system, walls, values, first)
                mask = np.zeros(len(walls), dtype=bool)
                for spec in condition.regions:
                    mask |= condition_mask(spec, region, system, walls.points, walls.part, values)
                gaps.append(gap[mask])
        except UnsupportedExpression:
            continue  # told where it is made a function (E327)
        jumps = np.concatenate(gaps)
        if not len(jumps):
            continue
        # Root mean squares: in many dimensions few points are near the largest values.
        size, jump = (float(np.sqrt(np.mean(v**2))) for v in (whole, jumps))
        if np.isfinite(jump) and np.isfinite(size) and jump > NOTABLE * size > 0.0:
            lines.append(
                f"at the start ∂t {entry.field} jumps at the boundary, by {jump / size:.2g} of its "
                "size inside: a layer forms there, and the residual is large at first"
            )
    return lines
