"""An evolution system with something to learn, in JAX: u' = E(t, u; p) + A(p) u + b(t; p).

A state is a row (n,) of numbers, several are a batch (batch, n). On a periodic grid it holds
every field at every point, field after field; on nodes only the values that obey an equation, from
which the others follow through the boundary conditions, u = R(u_d) with R affine; without space
one number for each field. E is a JAX function of state and parameters (`Learned`), A is handed on
as tables.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jax import Array

from pdesl.lowering.attention import Edges
from pdesl.lowering.learned import Learned, Unknowns
from pdesl.lowering.learned_space import GridJets, JetProvider, multiply
from pdesl.lowering.learned_terms import TermFunction
from pdesl.symbolic.jets import Jet

__all__ = ["BoundaryData", "LearnedSystem", "Lift", "Observation", "RowGroup"]


class BoundaryData(eqx.Module):
    """The data g(t; p) of one boundary condition at some of the algebraic values."""

    function: TermFunction = eqx.field(static=True)
    columns: Array
    places: Array


class Lift(eqx.Module):
    """All values from those that obey an equation: u = [u_d; L u_d + B g(t)] in another order.

    `matrix` L is (a, n), `solve` B (a, a), `order` (F·M,) puts the values in their places.
    """

    matrix: Any
    solve: Any
    order: Array
    data: tuple[BoundaryData, ...]
    count: int = eqx.field(static=True)

    def algebraic(self, time: Any, unknowns: Array, batch: int) -> Array | None:
        """B g(t), (batch, a); None where there are no data."""
        if not self.data:
            return None
        total = jnp.zeros((batch, self.count), unknowns.dtype)
        for entry in self.data:
            shape = (batch, entry.places.shape[0])
            (own,) = entry.function((), list(entry.columns), time, unknowns, shape)
            total = total.at[:, entry.places].set(own)
        return multiply(self.solve, total)

    def __call__(self, state: Array, time: Any, unknowns: Array) -> Array:
        outside = multiply(self.matrix, state)
        data = self.algebraic(time, unknowns, len(state))
        if data is not None:
            outside = outside + data
        return jnp.concatenate([state, outside], axis=1)[:, self.order]


class RowGroup(eqx.Module):
    """Right-hand sides that are evaluated together, on the grid or on the finer one."""

    function: TermFunction = eqx.field(static=True)
    columns: Array
    rows: tuple[int, ...] = eqx.field(static=True)
    on_fine: bool = eqx.field(static=True)


class Observation(eqx.Module):
    """A model of measurements at their places: `matrix` (P, M) from the places of the state."""

    function: TermFunction = eqx.field(static=True)
    columns: Array
    matrix: Any


class LearnedSystem(eqx.Module):
    """See the module.

    Attributes:
        fields: in evolution form; `closures` the names of the networks, in order.
        provider: spatial jets.
        groups: the explicit right-hand sides.
        inputs: one function for each closure, with its columns.
        edges: those of a graph; None elsewhere.
        given: values (1, places) of closures with nothing to learn, by name.
        closures_at: how many places a closure is evaluated at.
        lift: how boundary conditions give the other values; None on grids and without space.
        moving_data: A acting on boundary data, for each term of A: (n, a).
        keep: of the values at evaluated places, those of the state, (n,); None for all.
        start: initial values of every field, or None where the file has none.
    """

    fields: tuple[str, ...] = eqx.field(static=True)
    closures: tuple[str, ...] = eqx.field(static=True)
    unknowns: Unknowns = eqx.field(static=True)
    provider: JetProvider
    groups: tuple[RowGroup, ...]
    inputs: tuple[tuple[TermFunction, Array], ...]
    given: dict[str, Array]
    edges: Edges | None
    lift: Lift | None
    keep: Array | None
    factors: TermFunction | None = eqx.field(static=True)
    moving_data: tuple[Any, ...]
    fixed_data: Any
    start: tuple[tuple[TermFunction, Array], ...]
    places: int = eqx.field(static=True)
    size: int = eqx.field(static=True)
    first_time: float = eqx.field(static=True)
    autonomous: bool = eqx.field(static=True)

    def values_of_unknowns(self, learned: Learned) -> Array:
        return self.unknowns.to_values(learned.free)

    def coefficients(self, learned: Learned) -> Array:
        """The factors c_k(p) of the terms of A that hold unknowns, (K,)."""
        assert self.factors is not None
        values = self.factors((), (), 0.0, self.values_of_unknowns(learned), (1,))
        return values[:, 0]

    def tables(self, state: Array, time: Any, learned: Learned) -> Array:
        """All values (batch, fields, M) of states."""
        if self.lift is not None:
            state = self.lift(state, time, self.values_of_unknowns(learned))
        return state.reshape(len(state), len(self.fields), -1)

    def closure_values(
        self, state: Array, time: Any, learned: Learned
    ) -> dict[str, Array]:  # fmt: skip
        """Values (batch, places) of the closures at states (batch, n)."""
        tables = self.tables(state, time, learned)
        return self._networks(tables, time, learned, self.values_of_unknowns(learned))

    def _networks(
        self, tables: Array, time: Any, learned: Learned, unknowns: Array
    ) -> dict[str, Array]:
        found = dict(self.given)
        for name, (function, columns), network in zip(
            self.closures, self.inputs, learned.networks, strict=True
        ):
            jets = self.jets(tables, function.jets, self.given)
            shape = (len(tables), self.places)
            channels = function(jets, list(columns), time, unknowns, shape)
            found[name] = network(jnp.moveaxis(channels, 0, -1), self.edges)
        return found

    def jets(
        self, tables: Array, wanted: Sequence[Jet], closures: dict[str, Array], fine: bool = False
    ) -> list[Array]:
        """Jets (batch, places) of states and closures."""
        found: dict[Jet, Array] = {}
        for name in dict.fromkeys(jet.field for jet in wanted):
            own = [jet for jet in wanted if jet.field == name]
            indices = [self.index(jet) for jet in own]
            values = closures[name] if name in closures else tables[:, self.fields.index(name)]
            if name in closures and not any(any(i) for i in indices):
                made = [values] * len(own)
            elif fine:
                assert isinstance(self.provider, GridJets)
                made = self.provider.fine_derivatives(values, indices)
            else:
                made = self.provider.derivatives(values, indices)
            found |= dict(zip(own, made, strict=True))
        return [found[jet] for jet in wanted]

    def index(self, jet: Jet) -> tuple[int, ...]:
        """A jet's multi-index over the spatial coordinates: time comes first where there is one."""
        return tuple(n for axis, n in enumerate(jet.orders) if axis != self.time_axis)

    time_axis: int = eqx.field(static=True, default=0)

    def explicit(self, time: Any, state: Array, learned: Learned) -> Array:
        """E(t, u; p), (batch, n); `time` is a number or (batch, 1)."""
        unknowns = self.values_of_unknowns(learned)
        tables = self.tables(state, time, learned)
        closures = self._networks(tables, time, learned, unknowns)
        total = jnp.zeros((len(self.fields), len(state), self.places), state.dtype)
        for group in self.groups:
            jets = self.jets(tables, group.function.jets, closures, group.on_fine)
            shape = (len(state), group.columns.shape[1])
            values = group.function(jets, list(group.columns), time, unknowns, shape)
            if group.on_fine:
                assert isinstance(self.provider, GridJets)
                values = self.provider.from_fine(values)
            total = total.at[jnp.asarray(group.rows)].add(values)
        flat = jnp.moveaxis(total, 0, 1).reshape(len(state), -1)
        return flat if self.keep is None else flat[:, self.keep]

    @property
    def has_forcing(self) -> bool:
        """Whether A acts on boundary data, which do not depend on the state."""
        return self.lift is not None and bool(self.lift.data)

    def forcing(self, time: Any, learned: Learned) -> Array:
        """b(t; p), (1, n): A acting on the boundary data."""
        unknowns = self.values_of_unknowns(learned)
        data = None if self.lift is None else self.lift.algebraic(time, unknowns, 1)
        total = jnp.zeros((1, self.size), unknowns.dtype)
        if data is None:
            return total
        if self.fixed_data is not None:
            total = total + multiply(self.fixed_data, data)
        if self.moving_data:
            for factor, matrix in zip(self.coefficients(learned), self.moving_data, strict=True):
                total = total + factor * multiply(matrix, data)
        return total

    @property
    def start_is_learned(self) -> bool:
        """Whether closures stand in the initial conditions."""
        return any(jet.field in self.closures for f, _ in self.start for jet in f.jets)

    def initial(self, learned: Learned) -> Array:
        """The state (1, n) at the first time, from the initial conditions."""
        unknowns = self.values_of_unknowns(learned)
        parts, closures = [], self.given
        empty = jnp.zeros((1, len(self.fields), self.places), unknowns.dtype)
        if self.start_is_learned:
            closures = self._networks(empty, self.first_time, learned, unknowns)
        for function, columns in self.start:
            jets = self.jets(empty, function.jets, closures)
            (own,) = function(jets, list(columns), self.first_time, unknowns, (1, self.places))
            parts.append(own)
        flat = jnp.concatenate(parts, axis=1)
        return flat if self.keep is None else flat[:, self.keep]

    def observe(
        self, observation: Observation, times: Array, states: Array, learned: Learned
    ) -> Array:
        """The model (k, P) of measurements at times (k,) from states (k, n)."""
        unknowns = self.values_of_unknowns(learned)
        clock = times[:, None]
        tables = self.tables(states, clock, learned)
        function = observation.function
        closures = self.given
        if any(jet.field in self.closures for jet in function.jets):
            closures = self._networks(tables, clock, learned, unknowns)
        jets = self.jets(tables, function.jets, closures)
        if observation.matrix is not None:
            jets = [multiply(observation.matrix, jet) for jet in jets]
        count = observation.columns.shape[1]
        (found,) = function(jets, list(observation.columns), clock, unknowns, (len(states), count))
        return found
