"""Derivatives of layered networks with respect to their inputs, by collapsed Taylor propagation.

A network h ← σ(h W + b), …, u = h W + b is fed not with points but with their *jets*: beside the
value, every derivative that a request needs is carried through the layers. An affine layer maps
each of them by the same matrix; an activation maps them by the formula of Faà di Bruno,

    ∂^α σ(z) = Σ_π σ^(|π|)(z) ∏_{β ∈ π} ∂^β z        over the set partitions π of α.

The highest derivatives enter linearly (the partition with one block), so a linear combination
F = Σ_α c_α(x) ∂^α of equal order needs *one* carried quantity instead of one for each α: the sum
is collapsed before it is propagated. For |α| = 2 this is the forward Laplacian,

    F[σ(z)] = σ′(z) F[z] + σ″(z) Σ_ij c_ij(x) ∂_i z ∂_j z.

Terms above order 4 go by series along directions (`high_orders`).

At order 4 the partitions 1 + 3 need Σ_i ∂_i z G_i[z] with G_i = Σ_α c_α α_i ∂^(α − e_i), again
collapsed: the biharmonic operator in d dimensions takes 1 + d + d(d+1)/2 + d + 1 quantities.

Sources: M. Li et al., "Dof: accelerating high-order differential operators with forward
propagation", 2024 (order 2); F. Dangel et al., "Collapsing Taylor mode automatic
differentiation", 2025.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

import jax.numpy as jnp
import numpy as np
from jax import Array

from pdesl.lowering.activations import HIGHEST_ORDER, activation_named
from pdesl.lowering.high_orders import high_parts, without_high
from pdesl.lowering.jet_layout import (
    ONE,
    CollapsedSum,
    Derivative,
    Form,
    Key,
    Layout,
    MultiIndex,
    Request,
    axis_form,
    contracted,
    lay_out,
    lowered,
    monomial,
    pairs,
)
from pdesl.lowering.rows import DEFAULT_CHUNK, chunked_rows

__all__ = [
    "Coefficient",
    "CollapsedSum",
    "Derivative",
    "Inputs",
    "LayeredNetwork",
    "MultiIndex",
    "Plan",
    "Request",
    "plan",
]

Coefficient = float | np.ndarray | Array


class LayeredNetwork(Protocol):
    """What Taylor propagation asks of a network: u = (… σ(x̂ W₀ + b₀) W₁ + …) W_L + b_L.

    x̂ = (x − center)·scale; weights[k] has the shape (inputs, outputs), biases[k] (outputs,).
    """

    @property
    def weights(self) -> tuple[Array, ...]: ...
    @property
    def biases(self) -> tuple[Array, ...]: ...
    @property
    def activation(self) -> str: ...
    @property
    def center(self) -> tuple[float, ...]: ...
    @property
    def scale(self) -> tuple[float, ...]: ...


class _Values:
    """Products with coefficients; skips multiplications by one and knows absent (zero) terms."""

    def __init__(self, arrays: Sequence[Array]) -> None:
        # (rows,) → (rows, 1), to multiply (rows, width); scalars stay.
        self.arrays = [a[:, None] if a.ndim else a for a in arrays]

    def scaled(self, key: Key, value: Array | None) -> Array | None:
        if value is None:
            return None
        if key.slot >= 0:
            value = self.arrays[key.slot] * value
        return value if key.factor == 1.0 else key.factor * value


def _sum(terms: Sequence[Array | None]) -> Array | None:
    present = [term for term in terms if term is not None]
    return sum(present[1:], start=present[0]) if present else None


def _product(*factors: Array | None) -> Array | None:
    result: Array | None = None
    for factor in factors:
        if factor is None:
            return None
        result = factor if result is None else result * factor
    return result


class _Jet:
    """The carried forms at one layer: `value` and an array (or None for zero) for each form."""

    def __init__(self, value: Array, forms: dict[Form, Array | None], values: _Values) -> None:
        self.value = value
        self.forms = forms
        self.values = values

    def axis(self, i: int, count: int) -> Array | None:
        return self.forms[axis_form(i, count)]

    def power(self, index: MultiIndex) -> Array | None:
        """∏_i (∂_i z)^index_i."""
        count = len(index)
        return _product(*(self.axis(i, count) for i in range(count) for _ in range(index[i])))

    def blocks(self, form: Form) -> list[Array | None]:
        """[S₁, S₂, …]: S_k sums over the set partitions of the form into k blocks."""
        count = len(form.terms[0][0])
        scaled = self.values.scaled
        result = [self.forms[form]]
        for blocks in range(2, form.order + 1):
            terms: list[Array | None] = []
            if blocks == form.order:  # all blocks single
                terms = [scaled(key, self.power(a)) for a, key in form.terms]
            elif form.order == 3:  # 1 + 2
                terms = [
                    scaled(key.times(a[i]), _product(self.axis(i, count), self.pair(lowered(a, i))))
                    for a, key in form.terms
                    for i in range(count)
                    if a[i]
                ]
            elif blocks == 2:  # 1 + 3 and 2 + 2
                for i in form.inputs:
                    found = contracted(form, i)
                    if found is not None:
                        lower, key = found
                        terms.append(scaled(key, _product(self.axis(i, count), self.forms[lower])))
                for a, key in form.terms:
                    for beta, ways in pairs(a):
                        rest = tuple(x - y for x, y in zip(a, beta, strict=True))
                        if beta < rest:
                            continue  # the unordered partition {β, α − β} is met twice
                        factor = ways if beta != rest else ways / 2
                        both = _product(self.pair(beta), self.pair(rest))
                        terms.append(scaled(key.times(factor), both))
            else:  # order 4 in three blocks: 2 + 1 + 1
                for a, key in form.terms:
                    for beta, ways in pairs(a):
                        rest = tuple(x - y for x, y in zip(a, beta, strict=True))
                        both = _product(self.pair(beta), self.power(rest))
                        terms.append(scaled(key.times(ways), both))
            result.append(_sum(terms))
        return result

    def pair(self, index: MultiIndex) -> Array | None:
        return self.forms[monomial(index)]

    def activated(self, name: str) -> _Jet:
        highest = max((form.order for form in self.forms), default=0)
        value, *derivatives = activation_named(name).derivatives(self.value, highest)
        forms = {
            form: _sum(
                [_product(s, b) for s, b in zip(derivatives, self.blocks(form), strict=False)]
            )
            for form in self.forms
        }
        return _Jet(value, forms, self.values)

    def affine(self, weight: Array, bias: Array) -> _Jet:
        forms = {form: None if a is None else a @ weight for form, a in self.forms.items()}
        return _Jet(self.value @ weight + bias, forms, self.values)


class Inputs(Protocol):
    """Features γ(x) that a network is fed with, each of one coordinate alone."""

    @property
    def dimension(self) -> int:
        """The number of coordinates."""
        ...

    @property
    def outputs(self) -> int:
        """The number of features."""
        ...

    def features(self, points: Array) -> Array:
        """γ (n, outputs) at points (n, dimension)."""
        ...

    def derivative(self, points: Array, axis: int, order: int) -> Array:
        """∂_axis^order of the features of that coordinate, (n, features of it)."""
        ...

    def own(self, axis: int) -> slice:
        """Which features are those of a coordinate."""
        ...


def _embedded_layer(
    network: LayeredNetwork, layout: Layout, points: Array, values: _Values, embedding: Inputs
) -> _Jet:
    """The jet behind the first affine layer of N∘γ; mixed derivatives of γ are zero."""
    weight, bias = network.weights[0], network.biases[0]

    def pure(index: MultiIndex) -> Array | None:
        axes = [i for i, count in enumerate(index) if count]
        if len(axes) != 1:
            return None
        (axis,) = axes
        return embedding.derivative(points, axis, index[axis]) @ weight[embedding.own(axis)]

    found: dict[MultiIndex, Array | None] = {}
    for form in layout.forms:
        for index, _ in form.terms:
            if index not in found:
                found[index] = pure(index)
    forms = {
        form: _sum([values.scaled(key, found[index]) for index, key in form.terms])
        for form in layout.forms
    }
    return _Jet(embedding.features(points) @ weight + bias, forms, values)


def _normalised(network: LayeredNetwork, points: Array) -> Array:
    center = np.asarray(network.center)
    scale = np.asarray(network.scale)
    if center.any():
        points = points - center.astype(points.dtype)
    if (scale != 1.0).any():
        points = points * scale.astype(points.dtype)
    return points


def _first_layer(
    network: LayeredNetwork,
    layout: Layout,
    points: Array,
    values: _Values,
    embedding: Inputs | None,
) -> _Jet:
    """The jet behind the first affine layer; only value and first order are not zero there."""
    if embedding is not None:
        return _embedded_layer(network, layout, points, values, embedding)
    scale = np.asarray(network.scale)
    weight, bias = network.weights[0], network.biases[0]
    forms: dict[Form, Array | None] = {}
    for form in layout.forms:
        rows = [
            values.scaled(key.times(float(scale[a.index(1)])), weight[a.index(1)][None, :])
            for a, key in form.terms
            if form.order == 1
        ]
        forms[form] = _sum(rows)
    return _Jet(_normalised(network, points) @ weight + bias, forms, values)


def _propagate(
    network: LayeredNetwork,
    layout: Layout,
    points: Array,
    arrays: Sequence[Array],
    embedding: Inputs | None,
) -> tuple[Array, ...]:
    values = _Values(arrays)
    jet = _first_layer(network, layout, points, values, embedding).activated(network.activation)
    inner = zip(network.weights[1:-1], network.biases[1:-1], strict=True)
    for weight, bias in inner:
        jet = jet.affine(weight, bias).activated(network.activation)
    weight, bias = network.weights[-1], network.biases[-1]

    def component(form: Form | None, number: int) -> Array | None:
        """(rows, 1) of one field."""
        column = weight[:, number : number + 1]
        if form is None:
            return jet.value @ column + bias[number]
        carried = jet.forms[form]
        return None if carried is None else carried @ column

    results = []
    for output in layout.outputs:
        total = _sum([values.scaled(k, component(form, output.field)) for form, k in output.parts])
        rows = (points.shape[0],)
        zero = jnp.zeros(rows, weight.dtype)
        results.append(zero if total is None else jnp.broadcast_to(total[:, 0], rows))
    return tuple(results)


@dataclass(frozen=True)
class Plan:
    """Which derivatives of which fields; made by `plan`, evaluated for any network that fits."""

    requests: tuple[Request, ...]
    inputs: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "inputs", _checked_inputs(self.requests))

    @cached_property
    def order(self) -> int:
        """The highest order of a derivative in it."""
        return max(sum(index) for request in self.requests for index in _indices(request))

    @cached_property
    def fields(self) -> int:
        """The least number of outputs that a network needs for it."""
        return 1 + max(request.field for request in self.requests)

    def evaluate(
        self,
        network: LayeredNetwork,
        points: Array,
        coefficients: Sequence[Sequence[Coefficient]] | None = None,
        *,
        chunk: int | None = DEFAULT_CHUNK,
        embedding: Inputs | None = None,
    ) -> tuple[Array, ...]:
        """The requested derivatives at the points.

        Args:
            network: a layered network with at least `fields` outputs.
            points: (n, inputs).
            coefficients: one entry for each request: for a `CollapsedSum` as many scalars or
                (n,) arrays as it has terms, for a `Derivative` an empty sequence. Python floats
                are folded into the program (zero terms vanish); arrays are data. May be left
                out when there is no `CollapsedSum`.
            chunk: most points at a time (see `chunked_rows`); None takes all at once.
            embedding: features γ that the network takes in place of the coordinates; the
                derivatives are those of N(γ(x)). The normalisation of such a network is one.

        Returns:
            One (n,) array for each request, in their order. Differentiable in all modes with
            respect to the network, the points and the coefficients.

        Raises:
            ValueError: shapes or counts that do not fit the requests.
        """
        self._check(network, points, embedding)
        keys, arrays = self._split_coefficients(coefficients, points.shape[0])
        layout = lay_out(*without_high(self.requests, keys))
        per_row = [k for k, array in enumerate(arrays) if array.ndim]

        def some(network: LayeredNetwork, rows: tuple[Array, dict[int, Array]]) -> Any:
            part, sliced = rows
            local = [sliced.get(k, array) for k, array in enumerate(arrays)]
            found = _propagate(network, layout, part, local, embedding)
            if self.order <= HIGHEST_ORDER:
                return found
            more = high_parts(
                lambda x: _values_at(network, x, embedding), part, self.requests, keys, local
            )
            return tuple(f + more[k] if k in more else f for k, f in enumerate(found))

        rows = (points, {k: arrays[k] for k in per_row})
        return chunked_rows(some, network, rows, chunk=chunk)

    def _check(self, network: LayeredNetwork, points: Array, embedding: Inputs | None) -> None:
        inputs, outputs = network.weights[0].shape[0], network.weights[-1].shape[1]
        if len(network.weights) < 2:
            raise ValueError("Taylor propagation needs a network with at least one hidden layer")
        if points.ndim != 2 or points.shape[1] != self.inputs:
            raise ValueError(
                f"the plan needs points of shape (n, {self.inputs}), not {points.shape}"
            )
        if embedding is not None:
            normalised = any(network.center) or any(s != 1.0 for s in network.scale)
            if normalised or (embedding.dimension, embedding.outputs) != (self.inputs, inputs):
                raise ValueError(
                    f"features of {embedding.dimension} coordinates, {embedding.outputs} of them, "
                    f"do not fit a network of {inputs} inputs and requests about {self.inputs}"
                )
        elif inputs != self.inputs:
            raise ValueError(
                f"the network has {inputs} inputs, the requests are about {self.inputs}"
            )
        if outputs < self.fields:
            raise ValueError(f"the network has {outputs} fields, the requests need {self.fields}")

    def _split_coefficients(
        self, coefficients: Sequence[Sequence[Coefficient]] | None, count: int
    ) -> tuple[tuple[tuple[Key, ...], ...], list[Array]]:
        if coefficients is None:
            coefficients = [()] * len(self.requests)
        if len(coefficients) != len(self.requests):
            raise ValueError(
                f"{len(coefficients)} groups of coefficients for {len(self.requests)} requests"
            )
        arrays: list[Array] = []
        slots: dict[int, int] = {}
        keys: list[tuple[Key, ...]] = []
        for request, given in zip(self.requests, coefficients, strict=True):
            if isinstance(request, Derivative):
                if len(given):
                    raise ValueError(f"{request} takes no coefficients, {len(given)} were given")
                keys.append((ONE,))
                continue
            if len(given) != len(request.terms):
                raise ValueError(
                    f"{len(given)} coefficients for the {len(request.terms)} terms of {request}"
                )
            mine = []
            for value in given:
                if isinstance(value, (int, float)):
                    mine.append(Key(-1, float(value)))
                    continue
                if value.shape not in ((), (count,)):
                    raise ValueError(
                        f"a coefficient is a scalar or has the shape ({count},), not {value.shape}"
                    )
                # The same array met again (two fields, one tensor) is the same coefficient.
                if id(value) not in slots:
                    slots[id(value)] = len(arrays)
                    arrays.append(jnp.asarray(value))
                mine.append(Key(slots[id(value)]))
            keys.append(tuple(mine))
        return tuple(keys), arrays


def _values_at(network: LayeredNetwork, points: Array, embedding: Inputs | None) -> Array:
    """All fields (n, outputs)."""
    value = _normalised(network, points) if embedding is None else embedding.features(points)
    activation = activation_named(network.activation)
    for weight, bias in zip(network.weights[:-1], network.biases[:-1], strict=True):
        value = activation(value @ weight + bias)
    return value @ network.weights[-1] + network.biases[-1]


def _indices(request: Request) -> tuple[MultiIndex, ...]:
    return (request.index,) if isinstance(request, Derivative) else request.terms


def _checked_inputs(requests: tuple[Request, ...]) -> int:
    if not requests:
        raise ValueError("a plan needs at least one request")
    lengths = set()
    for request in requests:
        if request.field < 0:
            raise ValueError(f"{request}: fields are counted from 0")
        if not _indices(request):
            raise ValueError(f"{request} has no terms")
        for index in _indices(request):
            lengths.add(len(index))
            if any(a < 0 for a in index) or not index:
                raise ValueError(f"{index} is no multi-index")
    if len(lengths) > 1:
        raise ValueError(f"multi-indices of different lengths: {sorted(lengths)}")
    return lengths.pop()


def plan(requests: Sequence[Request]) -> Plan:
    """A plan for these derivatives.

    Raises:
        ValueError: an empty list, or a malformed multi-index.
    """
    return Plan(tuple(requests))
