"""The velocity θ̇ of the parameters: the least-squares problem of every field, and its residual.

    min_θ̇  Σ_i w_i (∂u/∂N(x_i) J_N(x_i) θ̇ + ∂t lift(x_i) − L[u](x_i))² / n  +  μ‖θ̇‖²

(equation (2) of M. Finzi et al., 2023, regularised). Every field has a network of its own, so the
problem falls apart into one for each field; rows of penalties join the field they belong to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.flatten_util import ravel_pytree

from pdesl.lowering.neural_system import NeuralSystem
from pdesl.lowering.taylor import MultiIndex
from pdesl.solvers.networks import Network
from pdesl.solvers.penalties import PenaltyPlaces, PenaltyRows
from pdesl.solvers.tangent_options import TangentOptions
from pdesl.solvers.tangent_report import TangentReport
from pdesl.solvers.tangent_solve import ExtraRows, solve_tangent

__all__ = [
    "Sample",
    "SolveReport",
    "Velocity",
    "bases_at",
    "heights_at",
    "jets_at",
    "pack",
    "rates_at",
    "residual_of",
    "right_at",
    "values_at",
]


class Sample(eqx.Module):
    """Points (n, d) inside with weights (n,) of mean one, and the boundary points of penalties."""

    points: Array
    weights: Array | None
    boundary: tuple[PenaltyPlaces, ...] = ()


@dataclass(frozen=True, slots=True)
class SolveReport:
    """The solves of one evaluation, the worst of all fields: for the log.

    `status` is a key of `tangent_solve.STATUS_WORDS`.
    """

    solver: str
    iterations: int
    condition: float
    status: int


def pack(networks: Sequence[Network]) -> tuple[np.ndarray, Any]:
    """All parameters as one vector, field after field, and the function that unpacks it."""
    flat, unpack = ravel_pytree(tuple(networks))
    return np.asarray(flat), unpack


@eqx.filter_jit
def values_at(system: NeuralSystem, networks: Any, points: Array, t: Array) -> Array:
    """u (fields, n)."""
    return system.over(NeuralSystem.values, networks, points, t)


@eqx.filter_jit
def right_at(system: NeuralSystem, networks: Any, points: Array, t: Array) -> Array:
    """L[u] (fields, n)."""
    return system.over(NeuralSystem.right_hand_side, networks, points, t)


@eqx.filter_jit
def heights_at(system: NeuralSystem, networks: Any, points: Array, t: Array) -> Array:
    """u² of every field and Σ_i (h_i ∂_i u)², h the half-widths of the domain, (fields, 2, n)."""

    def heights(system: NeuralSystem, networks: Any, points: Array, t: Array) -> Array:
        values, pull = jax.vjp(lambda p: system.values(networks, p, t), points)
        units = jnp.eye(len(values), dtype=values.dtype)[:, :, None]
        (slopes,) = jax.vmap(pull)(jnp.broadcast_to(units, (len(values), *values.shape)))
        slopes = slopes * jnp.asarray(system.embedding.half_width, values.dtype)
        return jnp.stack([values**2, jnp.sum(slopes**2, axis=2)], axis=1)

    return system.over(heights, networks, points, t)


@eqx.filter_jit
def lifts_at(system: NeuralSystem, points: Array, t: Array, order: int = 0) -> Array:
    """The lift of every field or its time derivative (fields, n)."""
    return system.lifts(points, t, order)


@eqx.filter_jit
def bases_at(system: NeuralSystem, points: Array, t: Array) -> Array:
    """What a network of zero gives, every field (fields, n)."""
    return system.bases(points, t)


@eqx.filter_jit
def jets_at(
    system: NeuralSystem, networks: Any, points: Array, t: Array,
    jets: tuple[tuple[int, MultiIndex], ...],
) -> Array:  # fmt: skip
    """Derivatives in space (k, n), each of a field by number."""
    return system.over(partial(_jets, jets=jets), networks, points, t)


@eqx.filter_jit
def rates_at(
    system: NeuralSystem, networks: Any, directions: Any, points: Array, t: Array,
    jets: tuple[tuple[int, MultiIndex], ...],
) -> Array:  # fmt: skip
    """Their rates of change (k, n) when the parameters move along directions."""

    def rate(system: NeuralSystem, both: Any, points: Array, t: Array) -> Array:
        return jax.jvp(
            lambda n, s: _jets(system, n, points, s, jets),
            (both[0], t), (both[1], jnp.ones_like(t)),
        )[1]  # fmt: skip

    return system.over(rate, (networks, directions), points, t)


def _jets(
    system: NeuralSystem, networks: Any, points: Array, t: Array,
    jets: tuple[tuple[int, MultiIndex], ...],
) -> Array:  # fmt: skip
    wanted = [tuple({a for f, a in jets if f == i}) for i in range(len(system.fields))]
    found = system.jets_at(networks, points, t, wanted)
    return jnp.stack([found[field][index] for field, index in jets])


@eqx.filter_jit
def residual_of(
    system: NeuralSystem, networks: Any, directions: Any, points: Array, t: Array,
    weights: Array | None = None,
) -> tuple[Array, Array]:  # fmt: skip
    """Σ_i w_i r² and Σ_i w_i (∂t u)² of every field, (fields,) each, with r = ∂t u − L[u]."""

    def both(system: NeuralSystem, states: Any, points: Array, t: Array) -> tuple[Array, Array]:
        rates = system.rates(states[0], states[1], points, t)
        return rates, rates - system.right_hand_side(states[0], points, t)

    rates, r = system.over(both, (networks, directions), points, t)
    if weights is not None:
        rates, r = rates * jnp.sqrt(weights), r * jnp.sqrt(weights)
    return jnp.sum(r * r, axis=1), jnp.sum(rates * rates, axis=1)


@eqx.filter_jit
def _solved(
    system: NeuralSystem,
    penalties: tuple[PenaltyRows, ...],
    networks: Any,
    sample: Sample,
    t: Array,
    options: TangentOptions,
    regularisation: Array,
    key: Array,
) -> tuple[Array, list[TangentReport]]:
    """θ̇ (p,) and the report of every field; μ (fields,) of each."""
    points = sample.points
    right = system.over(NeuralSystem.right_hand_side, networks, points, t)
    right = right - system.lifts(points, t, 1)
    scale, features = system.slopes(networks, points), system.features(points)
    if sample.weights is not None:
        root = jnp.sqrt(sample.weights)
        right, scale = right * root, scale * root
    parts, reports = [], []
    for number, network in enumerate(networks):
        own = replace(options, regularisation=regularisation[number])  # pyright: ignore[reportArgumentType]
        rows = [
            penalty.rows(system, networks, places, t)
            for penalty, places in zip(penalties, sample.boundary, strict=True)
            if penalty.field == number
        ]
        extra = None
        if rows:
            extra = ExtraRows(*(jnp.concatenate(arrays) for arrays in zip(*rows, strict=True)))
        found = solve_tangent(
            network, features, scale[number][:, None], right[number][:, None], own,
            jax.random.fold_in(key, number), extra_rows=extra,
        )  # fmt: skip
        parts.append(ravel_pytree(found.direction)[0])
        reports.append(found.report)
    return jnp.concatenate(parts), reports


@dataclass(slots=True, eq=False)
class Velocity:
    """θ̇ as a function of θ, time and samples, on vectors of NumPy.

    `regularisation` (fields,) stands in place of that of the options: each field has its own
    problem, and it may change on the way.
    """

    system: NeuralSystem
    penalties: tuple[PenaltyRows, ...]
    unpack: Any
    options: TangentOptions
    dtype: np.dtype
    regularisation: np.ndarray
    evaluations: int = 0
    iterations: int = 0

    def networks(self, flat: np.ndarray) -> Any:
        """The networks of a vector of parameters."""
        return self.unpack(jnp.asarray(flat, self.dtype))

    def clock(self, t: float) -> Array:
        return jnp.asarray(t, self.dtype)

    def __call__(
        self, flat: np.ndarray, t: float, sample: Sample, key: Array
    ) -> tuple[np.ndarray, SolveReport]:
        """θ̇ (p,) at parameters (p,)."""
        direction, reports = _solved(
            self.system, self.penalties, self.networks(flat), sample, self.clock(t),
            self.options, jnp.asarray(self.regularisation, self.dtype), key,
        )  # fmt: skip
        whole = SolveReport(
            solver=", ".join(dict.fromkeys(r.solver for r in reports)),
            iterations=max(int(r.iterations) for r in reports),
            condition=max(float(r.condition) for r in reports),
            status=max(int(r.status) for r in reports),
        )
        self.evaluations += 1
        self.iterations += whole.iterations
        return np.asarray(direction, dtype=np.float64), whole
