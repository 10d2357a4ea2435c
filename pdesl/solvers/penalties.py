"""Boundary conditions as rows of penalties in the least-squares problem for the velocity.

A condition b(t, x, n, jets of u) = 0 that holds at all times has the time derivative

    Σ_j ∂b/∂u_j · ∂t u_j + ∂t b = 0,

a linear row for θ̇ at every boundary point. Errors of b itself, from the initial fit or from the
way so far, are pulled back at the rate κ: the right-hand side gets −κ b (J. Baumgarte,
"Stabilization of constraints", 1972).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import sympy
from jax import Array

from pdesl.diagnostics import Diagnostic, ProblemError, SolverError
from pdesl.ir.ansatz import Penalty
from pdesl.ir.samples import condition_mask
from pdesl.ir.system import System
from pdesl.lowering.emit import jax_namespace
from pdesl.lowering.neural_system import NeuralSystem
from pdesl.lowering.rows import row_jacobian
from pdesl.lowering.taylor import MultiIndex
from pdesl.solvers.sampling import BoundaryDraw
from pdesl.symbolic.functions import UnsupportedExpression, make_function
from pdesl.symbolic.geometry import Region
from pdesl.symbolic.operators import NORMAL

__all__ = ["PenaltyPlaces", "PenaltyRows", "make_penalty", "places_of", "violation_of"]


class PenaltyPlaces(eqx.Module):
    """Boundary points (m, d) where a condition holds, with outward normals (m, d)."""

    points: Array
    normals: Array


class PenaltyRows(eqx.Module):
    """One condition on one field; `jets` are its derivatives in space that the condition holds."""

    name: str = eqx.field(static=True)
    field: int = eqx.field(static=True)
    jets: tuple[MultiIndex, ...] = eqx.field(static=True)
    function: Callable[..., tuple[Any, ...]] = eqx.field(static=True)
    parameters: Array
    weight: float = eqx.field(static=True)
    rate: float = eqx.field(static=True)

    def condition(self, jets: Array, places: PenaltyPlaces, t: Array) -> Array:
        """b (m,) from jets (k, m)."""
        own = self.parameters.astype(jets.dtype)
        (value,) = self.function(*jets, *places.points.T, *places.normals.T, t, *own)
        return jnp.broadcast_to(jnp.asarray(value, jets.dtype), jets.shape[1:])

    def table(self, system: NeuralSystem, networks: Any, places: PenaltyPlaces, t: Array) -> Array:
        """The jets (k, m) of the field at the places."""
        wanted = [self.jets if i == self.field else () for i in range(len(system.fields))]
        found = system.jets_at(networks, places.points, t, wanted)[self.field]
        return jnp.stack([found[index] for index in self.jets])

    def rows(
        self, system: NeuralSystem, networks: Any, places: PenaltyPlaces, t: Array
    ) -> tuple[Array, Array, Array]:
        """Jacobian (m, p) of the rows for θ̇ of the field, right-hand sides (m,), weights (m,)."""
        jets = self.table(system, networks, places, t)
        slopes = [
            jax.jvp(lambda u: self.condition(u, places, t), (jets,),
                    (jnp.zeros_like(jets).at[k].set(1.0),))[1]
            for k in range(len(self.jets))
        ]  # fmt: skip
        value, drift = jax.jvp(
            lambda s: self.condition(self._moved(system, jets, places, t, s), places, s),
            (t,), (jnp.ones_like(t),),
        )  # fmt: skip

        def linearised(network: Any, row: tuple[PenaltyPlaces, Array]) -> Array:
            own, coefficients = row
            table = self.table(system, self._with(networks, network), own, t)
            return jnp.sum(coefficients.T * table, axis=0)

        matrix = row_jacobian(linearised, networks[self.field], (places, jnp.stack(slopes).T))
        right = -(drift + self.rate * value)
        weights = jnp.full(right.shape, self.weight / right.shape[0], right.dtype)
        return matrix, right, weights

    def _moved(
        self, system: NeuralSystem, jets: Array, places: PenaltyPlaces, t: Array, s: Array
    ) -> Array:
        """The jets when only time goes on, which the lift alone follows."""
        lift = system.parts[self.field].lift
        if lift.is_zero:
            return jets
        now, later = (lift(places.points, clock) for clock in (t, s))
        return jnp.stack(
            [u + later[a, 0] - now[a, 0] for u, a in zip(jets, self.jets, strict=True)]
        )

    def _with(self, networks: Any, network: Any) -> Any:
        return tuple(network if i == self.field else n for i, n in enumerate(networks))


def make_penalty(
    penalty: Penalty,
    system: System,
    values: Mapping[sympy.Symbol, float],
    *,
    weight: float,
    rate: float,
) -> PenaltyRows:
    """The rows of a condition that the ansatz does not meet.

    Args:
        penalty: a boundary row on one field (`penalty_mistakes` refuses others).
        system: in evolution form.
        values: a number for every parameter.
        weight: of the mean square of the rows, against that of the equation.
        rate: κ.

    Raises:
        ProblemError: a part without numerical form (E327).
    """
    row, space = penalty.row, system.space
    jets = row.jets(space)
    names = list(dict.fromkeys(j.field for j in jets))
    normals = [sympy.Symbol(f"{NORMAL}[{s.name}]", real=True) for s in system.space_symbols]
    time = system.time_symbol
    assert time is not None
    parameters = [s for s in values if row.residual.has(s)]
    symbols = [
        *(space.symbol(j) for j in jets), *system.space_symbols, *normals, time, *parameters,
    ]  # fmt: skip
    try:
        function = make_function([row.residual], symbols, jax_namespace())
    except UnsupportedExpression as error:
        raise ProblemError(
            [
                Diagnostic(
                    "E327", f"`{error.part}` cannot be evaluated: {error.reason}",
                    row.equation.span,
                )
            ]
        ) from None  # fmt: skip
    return PenaltyRows(
        row.name,
        system.fields.index(names[0]),
        tuple(system.space_orders(j) for j in jets),
        function,
        jnp.asarray([values[s] for s in parameters], float),
        weight,
        rate,
    )


def places_of(
    penalty: Penalty,
    system: System,
    region: Region,
    draw: BoundaryDraw,
    values: Mapping[sympy.Symbol, float],
    count: int,
    dtype: Any,
) -> PenaltyPlaces:
    """Points of a draw where a condition holds, `count` of them: fewer ones are met again.

    Raises:
        SolverError: E702, it holds at none of them.
    """
    mask = np.zeros(len(draw.points), dtype=bool)
    for spec in penalty.row.regions:
        mask |= condition_mask(spec, region, system, draw.points, draw.part, values)
    chosen = np.flatnonzero(mask)
    if not len(chosen):
        raise SolverError(
            f"none of the {len(draw.points):,} boundary points lies where {penalty.row.name} holds",
            code="E702",
            advice="take more points, `boundary_samples`, or a larger part of the boundary",
        )
    chosen = np.resize(chosen, count)
    return PenaltyPlaces(
        jnp.asarray(draw.points[chosen], dtype), jnp.asarray(draw.normals[chosen], dtype)
    )


@eqx.filter_jit
def violation_of(
    rows: PenaltyRows, system: NeuralSystem, networks: Any, places: PenaltyPlaces, t: Array
) -> Array:
    """The root mean square of b at the places."""
    value = rows.condition(rows.table(system, networks, places, t), places, t)
    return jnp.sqrt(jnp.mean(value * value))
