"""An evolution system whose fields are lift + factor · N(γ(x)): values, jets, time derivatives.

A field that starts at N = 0 has N(γ; θ) − N(γ; θ₀) in place of N, θ₀ its first parameters:
exactly zero, while a last layer of zeros would end all derivatives with respect to the others.
A field may have exp(N) in place of N.

Jets of N∘γ are exact (`taylor`), those of factor and lift are formulas, and the product rule

    ∂^α(F N) = Σ_{β ≤ α} C(α, β) ∂^(α−β)F ∂^β N

puts them together, and those of an exponential follow from ∂_i e^N = (∂_i N) e^N by the same rule.
Everything is a function of points and time alone: no grid, no nodes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from math import comb, prod
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import sympy
from jax import Array

from pdesl.diagnostics import Diagnostic, ProblemError
from pdesl.ir.ansatz import Ansatz, FieldAnsatz
from pdesl.ir.system import System
from pdesl.lowering.devices import make_mesh, over_points
from pdesl.lowering.embedding import Embedding
from pdesl.lowering.emit import jax_namespace
from pdesl.lowering.right_hand_side import RightHandSide, to_right_hand_side
from pdesl.lowering.taylor import Derivative, LayeredNetwork, MultiIndex, plan
from pdesl.symbolic.functions import UnsupportedExpression, make_function

__all__ = ["NeuralSystem", "to_neural_system"]

Networks = Sequence[LayeredNetwork]
_Function = Callable[..., tuple[Any, ...]]


class _Formulas(eqx.Module):
    """Derivatives of a formula in space and time, by multi-index in space and order in time."""

    indices: tuple[tuple[MultiIndex, int], ...] = eqx.field(static=True)
    function: _Function = eqx.field(static=True)
    is_zero: bool = eqx.field(static=True)

    def __call__(self, points: Array, t: Array | float) -> dict[tuple[MultiIndex, int], Array]:
        values = self.function(*points.T, t)
        shape = points.shape[:1]
        return {
            index: jnp.broadcast_to(jnp.asarray(v, points.dtype), shape)
            for index, v in zip(self.indices, values, strict=True)
        }


class _Field(eqx.Module):
    """One field: which derivatives it has to give, and the formulas of its ansatz."""

    wanted: tuple[MultiIndex, ...] = eqx.field(static=True)
    inner: tuple[MultiIndex, ...] = eqx.field(static=True)
    factor: _Formulas | None
    lift: _Formulas
    exponential: bool = eqx.field(static=True, default=False)


class NeuralSystem(eqx.Module):
    """∂t u = F(t, x, jets of u) with u = lift + factor · N(γ(x)), or exp(N), field by field.

    Networks come as one for each field, in the order of `fields`; points are (n, d).
    `devices` are those that `over` divides points among.
    """

    fields: tuple[str, ...] = eqx.field(static=True)
    right: RightHandSide
    embedding: Embedding
    parts: tuple[_Field, ...]
    references: tuple[Any, ...]
    jets: tuple[tuple[int, MultiIndex], ...] = eqx.field(static=True)
    time_name: str = eqx.field(static=True)
    space_names: tuple[str, ...] = eqx.field(static=True)
    devices: int = eqx.field(static=True, default=1)

    def over(
        self, function: Callable[..., Any], parameters: Any, points: Array, t: Array | float
    ) -> Any:
        """function(system, parameters, points, t), (…, n), the points divided among devices."""
        return over_points(
            lambda own, part: function(*own[:2], part, own[2]),
            make_mesh(self.devices), (self, parameters, t), points,
        )  # fmt: skip

    def features(self, points: Array) -> Array:
        """γ (n, k)."""
        return self.embedding.features(points)

    def factors(self, points: Array) -> Array:
        """The factor of every field, (fields, n)."""
        none = (0,) * points.shape[1]
        ones = jnp.ones(points.shape[0], points.dtype)
        return jnp.stack(
            [ones if p.factor is None else p.factor(points, 0.0)[none, 0] for p in self.parts]
        )

    def lifts(self, points: Array, t: Array | float, order: int = 0) -> Array:
        """The lift of every field or its time derivative, (fields, n)."""
        none = (0,) * points.shape[1]
        return jnp.stack([p.lift(points, t)[none, order] for p in self.parts])

    def bases(self, points: Array, t: Array | float) -> Array:
        """What N = 0 gives, (fields, n)."""
        ones = jnp.asarray([float(p.exponential) for p in self.parts], points.dtype)
        return self.lifts(points, t) + self.factors(points) * ones[:, None]

    def values(self, networks: Any, points: Array, t: Array | float) -> Array:
        """u (fields, n)."""
        features = self.features(points)
        outputs = jnp.stack(
            [
                self._shaped(i, network(features)[:, 0] - self.reference_values(i, features))
                for i, network in enumerate(networks)
            ]
        )
        return self.lifts(points, t) + self.factors(points) * outputs

    def slopes(self, networks: Any, points: Array) -> Array:
        """∂u/∂N of every field, (fields, n)."""
        if not any(p.exponential for p in self.parts):
            return self.factors(points)
        features = self.features(points)
        rates = jnp.stack(
            [
                self._shaped(i, network(features)[:, 0] - self.reference_values(i, features))
                if self.parts[i].exponential
                else jnp.ones_like(features[:, 0])
                for i, network in enumerate(networks)
            ]
        )
        return self.factors(points) * rates

    def _shaped(self, field: int, output: Array) -> Array:
        return jnp.exp(output) if self.parts[field].exponential else output

    def reference_values(self, field: int, features: Array) -> Array:
        """N(γ; θ₀) (n,) of a field that has a reference, else zeros."""
        reference = self.references[field]
        return jnp.zeros_like(features[:, 0]) if reference is None else reference(features)[:, 0]

    def with_references(self, references: Sequence[Any]) -> NeuralSystem:
        """The same with a reference network, or None, for each field."""
        return eqx.tree_at(
            lambda s: s.references, self, tuple(references), is_leaf=lambda leaf: leaf is None
        )

    def rates(self, networks: Any, directions: Any, points: Array, t: Array | float) -> Array:
        """∂t u (fields, n) when the parameters move along directions."""
        _, moved = jax.jvp(lambda n: self.values(n, points, t), (networks,), (directions,))
        return moved + self.lifts(points, t, 1)

    def jets_at(
        self, networks: Networks, points: Array, t: Array | float,
        wanted: Sequence[Sequence[MultiIndex]],
    ) -> list[dict[MultiIndex, Array]]:  # fmt: skip
        """Derivatives in space of every field, {multi-index: (n,)}; those wanted are in `parts`."""
        found = []
        every = zip(self.parts, networks, self.references, wanted, strict=True)
        for part, network, reference, indices in every:
            if not indices:
                found.append({})
                continue
            whole = part.factor is not None or part.exponential
            inner = sorted({b for a in indices for b in (_below(a) if whole else [a])})
            requests = plan([Derivative(b) for b in inner])
            outputs = requests.evaluate(network, points, embedding=self.embedding)
            if reference is not None:
                fixed = requests.evaluate(reference, points, embedding=self.embedding)
                outputs = tuple(a - b for a, b in zip(outputs, fixed, strict=True))
            known = dict(zip(inner, outputs, strict=True))
            if part.exponential:
                known = _exponential(known)
            factor = None if part.factor is None else part.factor(points, t)
            lift = None if part.lift.is_zero else part.lift(points, t)
            own: dict[MultiIndex, Array] = {}
            for a in indices:
                value = known[a] if factor is None else _leibniz(a, factor, known)
                own[a] = value if lift is None else lift[a, 0] + value
            found.append(own)
        return found

    def right_hand_side(self, networks: Networks, points: Array, t: Array | float) -> Array:
        """F (fields, n) at points and a time."""
        own = self.jets_at(networks, points, t, [p.wanted for p in self.parts])
        shape = points.shape[:1]
        jets = [own[field][index] for field, index in self.jets]
        table = jnp.stack(jets) if jets else jnp.zeros((0, *shape), points.dtype)
        columns = {n: points[:, i] for i, n in enumerate(self.space_names)}
        columns[self.time_name] = jnp.broadcast_to(jnp.asarray(t, points.dtype), shape)
        chosen = [columns[name] for name in self.right.columns]
        places = jnp.stack(chosen) if chosen else jnp.zeros((0, *shape), points.dtype)
        return self.right(table, places)


def _below(index: MultiIndex) -> list[MultiIndex]:
    """Every β ≤ α."""
    return list(product(*(range(count + 1) for count in index)))


def _leibniz(
    index: MultiIndex,
    factor: Mapping[tuple[MultiIndex, int], Array],
    known: Mapping[MultiIndex, Array],
) -> Array:
    total: Array | None = None
    for beta in _below(index):
        rest = tuple(a - b for a, b in zip(index, beta, strict=True))
        times = prod(comb(a, b) for a, b in zip(index, beta, strict=True))
        term = factor[rest, 0] * known[beta]
        term = term if times == 1 else times * term
        total = term if total is None else total + term
    assert total is not None
    return total


def _exponential(known: Mapping[MultiIndex, Array]) -> dict[MultiIndex, Array]:
    """Jets of e^N from those of N, which hold all lower ones: ∂^α e^N = ∂^(α − e_i)(e^N ∂_i N)."""
    found: dict[MultiIndex, Array] = {}
    for index in sorted(known, key=sum):
        if not any(index):
            found[index] = jnp.exp(known[index])
            continue
        axis = next(i for i, count in enumerate(index) if count)
        unit = tuple(int(i == axis) for i in range(len(index)))
        rest = tuple(a - b for a, b in zip(index, unit, strict=True))
        total: Array | None = None
        for beta in _below(rest):
            # ∂^(rest − β) of ∂_axis N, times ∂^β of e^N.
            higher = tuple(a - b + u for a, b, u in zip(rest, beta, unit, strict=True))
            times = prod(comb(a, b) for a, b in zip(rest, beta, strict=True))
            term = times * known[higher] * found[beta]
            total = term if total is None else total + term
        assert total is not None
        found[index] = total
    return found


def to_neural_system(
    system: System,
    ansatz: Ansatz,
    embedding: Embedding,
    values: Mapping[sympy.Symbol, float],
    more: Sequence[tuple[int, MultiIndex]] = (),
) -> NeuralSystem:
    """The system of networks for an evolution system.

    Args:
        system: the result of `to_evolution`.
        ansatz: the factor and lift of every field.
        embedding: the features of the networks.
        values: a number for every parameter.
        more: further derivatives that will be asked for, as (field, multi-index in space).

    Raises:
        ProblemError: a part without numerical form (E327).
    """
    right = to_right_hand_side(system, values)
    number = {name: i for i, name in enumerate(system.fields)}
    jets = tuple((number[j.field], system.space_orders(j)) for j in right.jets)
    time = system.time_symbol
    assert time is not None
    parts = []
    for i, entry in enumerate(ansatz.fields):
        wanted = tuple(sorted({index for field, index in jets if field == i}))
        known = sorted({*wanted, *(index for field, index in more if field == i)})
        parts.append(_field(entry, system, wanted, known))
    return NeuralSystem(
        system.fields, right, embedding, tuple(parts), (None,) * len(parts), jets, time.name,
        tuple(s.name for s in system.space_symbols),
    )  # fmt: skip


def _field(
    entry: FieldAnsatz, system: System, wanted: tuple[MultiIndex, ...], known: list[MultiIndex]
) -> _Field:
    dimension = len(system.space_symbols)
    none = (0,) * dimension
    below = sorted({none, *(b for a in known for b in _below(a))})
    factor = None
    if entry.factor != 1:
        factor = _formulas(entry, entry.factor, system, [(index, 0) for index in below])
    lifted = [(index, 0) for index in ([*known] if none in known else [none, *known])]
    lift = _formulas(entry, entry.lift, system, [*lifted, (none, 1)])
    return _Field(wanted, tuple(below), factor, lift, entry.exponential)


def _formulas(
    entry: FieldAnsatz,
    expression: sympy.Expr,
    system: System,
    indices: Sequence[tuple[MultiIndex, int]],
) -> _Formulas:
    time = system.time_symbol
    assert time is not None
    derivatives: list[Any] = []
    for index, order in indices:
        pairs = [(s, n) for s, n in zip(system.space_symbols, index, strict=True) if n]
        pairs += [(time, order)] if order else []
        derivatives.append(sympy.diff(expression, *pairs) if pairs else expression)
    try:
        function = make_function(derivatives, [*system.space_symbols, time], jax_namespace())
    except UnsupportedExpression as error:
        raise ProblemError(
            [
                Diagnostic(
                    "E327",
                    f"`{error.part}` in the boundary data of `{entry.field}` cannot be evaluated: "
                    f"{error.reason}",
                    helps=("choose `boundary = penalty`, or rewrite the data",),
                )
            ]
        ) from None
    return _Formulas(tuple(indices), function, expression == 0)
