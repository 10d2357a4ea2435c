"""Which term of the equations is not finite, or the largest, at points: for messages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
import sympy

from pdesl.ir.system import System
from pdesl.ir.text import format_expression
from pdesl.lowering.neural_system import NeuralSystem
from pdesl.symbolic.functions import make_function, numpy_namespace

__all__ = ["culprit"]


def culprit(
    system: System,
    values: Mapping[sympy.Symbol, float],
    neural: NeuralSystem,
    networks: Any,
    points: np.ndarray,
    t: float,
) -> str:
    """The additive term of a right-hand side that is not finite or largest, in words.

    Args:
        system: in evolution form, the one that `neural` was made of.
        values: a number for every parameter.
        neural, networks: where the jets of the fields come from.
        points: (n, d).
        t: the time.

    Returns:
        The term, its row, and the first point at which it is not finite, or
        the one at which it is largest.
    """
    space = system.space
    places = jnp.asarray(points)
    found = neural.jets_at(networks, places, jnp.asarray(t), [p.wanted for p in neural.parts])
    jets = [np.asarray(found[field][index], dtype=float) for field, index in neural.jets]
    terms = [
        (row, term)
        for row in system.rows
        for term in (
            *(t.expression(space) for t in row.linear),
            *sympy.Add.make_args(row.nonlinear),
            *sympy.Add.make_args(row.forcing),
        )
        if term != 0
    ]
    names = [*(space.symbol(jet) for jet in neural.right.jets), *space.coordinates, *values]
    axes = iter(points.T)
    time = system.time_symbol
    columns = [np.full(len(points), t) if c == time else next(axes) for c in space.coordinates]
    function = make_function([term for _, term in terms], names, numpy_namespace())
    with np.errstate(all="ignore"):
        tables = function(*jets, *columns, *values.values())
    worst, text = -1.0, "no term"
    for (row, term), table in zip(terms, tables, strict=True):
        sizes = np.abs(np.broadcast_to(np.asarray(table), (len(points),)))
        sizes = np.where(np.isfinite(sizes), sizes, np.inf)
        place = int(np.argmax(sizes))
        if sizes[place] > worst:
            worst = float(sizes[place])
            at = ", ".join(
                f"{c} = {x:.4g}" for c, x in zip(system.space_symbols, points[place], strict=True)
            )
            state = "largest" if np.isfinite(worst) else "not finite"
            # Rows are ∂t f + (rest) = 0.
            text = f"`{format_expression(-term, system)}` in {row.name} is {state} at {at}"
    return text
