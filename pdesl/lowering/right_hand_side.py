"""The right-hand side of an evolution system as one JAX function of jets and coordinates.

In evolution form every row is ∂t f + (rest) = 0 (see `ir.evolution`), so that the time derivatives
of all fields at a point are a function of their spatial jets there,

    F_f(x, t, jets) = −(linear terms + nonlinear part + forcing),

whoever provides the jets: a network, stencils, a Fourier transform. Common subexpressions of all
rows (a radius, √|g|, g^{μν}) are emitted once, and there is one division by each of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import sympy
from jax import Array

from pdesl.diagnostics import Diagnostic, ProblemError
from pdesl.ir.system import System
from pdesl.lowering.emit import jax_namespace
from pdesl.symbolic.functions import UnsupportedExpression, make_function
from pdesl.symbolic.jets import Jet
from pdesl.symbolic.sharing import share

__all__ = ["RightHandSide", "to_right_hand_side"]


class RightHandSide(eqx.Module):
    """∂t of all fields at points.

    `fields` are the rows of the result; `jets` what it needs of them, by name and multi-index
    over all coordinates of the system, time among them with order 0; `columns` the names of the
    coordinates that it needs. `parameters` (p,) are arguments as the jets are, in the order of
    `parameter_names`, so that changing them compiles nothing anew.
    """

    fields: tuple[str, ...] = eqx.field(static=True)
    jets: tuple[Jet, ...] = eqx.field(static=True)
    columns: tuple[str, ...] = eqx.field(static=True)
    parameter_names: tuple[str, ...] = eqx.field(static=True)
    function: Callable[..., tuple[Any, ...]] = eqx.field(static=True)
    parameters: Array

    def __call__(self, jets: Array, columns: Array) -> Array:
        """F (fields, n) from jets (k, n) and coordinates (c, n), in the order of the attributes."""
        values = self.function(*jets, *columns, *self.parameters.astype(jets.dtype))
        return jnp.stack([jnp.broadcast_to(jnp.asarray(v, jets.dtype), jets.shape[1:])
                          for v in values])  # fmt: skip


def to_right_hand_side(system: System, values: Mapping[sympy.Symbol, float]) -> RightHandSide:
    """The right-hand side of a system in evolution form.

    Args:
        system: the result of `to_evolution`.
        values: a number for every parameter.

    Raises:
        ValueError: the system is not in evolution form.
        ProblemError: a part without numerical form (E327).
    """
    space = system.space
    right: list[sympy.Expr] = []
    if len(system.rows) != len(system.fields) or system.frame.time_axis is None:
        raise ValueError("the system is not in evolution form")
    for name, row in zip(system.fields, system.rows, strict=True):
        top = space.jet(name).raised(system.frame.time_axis)
        rest = row.parts(space) - space.symbol(top)
        if any(system.time_order(jet) for jet in space.jets(rest)):
            raise ValueError(f"the row of `{name}` is not in evolution form")
        right.append(-rest)
    held = set().union(*(e.free_symbols for e in right))
    jets = tuple(dict.fromkeys(jet for e in right for jet in space.jets(e)))
    coordinates = [s for s in space.coordinates if s in held]
    parameters = [s for s in values if s in held]
    definitions, results = share(right)
    try:
        function = make_function(
            results,
            [*(space.symbol(j) for j in jets), *coordinates, *parameters],
            jax_namespace(),
            definitions,
        )
    except UnsupportedExpression as error:
        row = next((r for r in system.rows if r.residual.has(error.part)), system.rows[0])
        raise ProblemError(
            [
                Diagnostic(
                    "E327",
                    f"`{error.part}` cannot be evaluated: {error.reason}",
                    row.equation.span_of(error.part),
                    helps=("rewrite the formula with other functions; `pdesl list functions`",),
                )
            ]
        ) from None
    return RightHandSide(
        system.fields,
        jets,
        tuple(s.name for s in coordinates),
        tuple(s.name for s in parameters),
        function,
        jnp.asarray([values[s] for s in parameters], float),
    )
