"""Rows of the Jacobian of a layered network, by their structure: products without a graph.

Row i of J, the derivative of s_i N_o(x_i) with respect to the parameters, is for each layer ℓ the
Kronecker product of the layer's input a_ℓ(x_i) (1 for the bias) and of the derivative
d_ℓ(x_i) = s_i ∂N_o/∂z_ℓ of the output with respect to the layer's sum z_ℓ. So

    (J v)_i = Σ_ℓ (a_ℓᵀ V_ℓ + v_ℓ) · d_ℓ,    (Jᵀ w)_ℓ = A_ℓᵀ diag(w) D_ℓ,
    (J Jᵀ)_ij = Σ_ℓ (a_ℓ(x_i)·a_ℓ(x_j) + 1) (d_ℓ(x_i)·d_ℓ(x_j)),

each as matrix products with A_ℓ (n, inputs) and D_ℓ (n, units), computed once. Rows of any other
function are linearised once (`linearised_rows`) or given as a matrix (`DenseRows`).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array
from jax.flatten_util import ravel_pytree

from pdesl.lowering.activations import activation_named
from pdesl.solvers.gram import panels_of
from pdesl.solvers.networks import Network

__all__ = [
    "DenseRows",
    "GramRows",
    "LayeredRows",
    "LinearisedRows",
    "Rows",
    "StackedRows",
    "by_blocks",
    "layered_rows",
    "linearised_rows",
]

T = TypeVar("T")

#: Points of a block of the Gram matrix: its parts stay in the cache.
ROW_BLOCK = 512
#: Products with J made at a time.
PRODUCT_BLOCK = 16
#: Rows of a Jacobian that are pulled back at a time.
JACOBIAN_BLOCK = 32


class Rows(eqx.Module):
    """Rows of a Jacobian J (N, p); parameters are in the order of `ravel_pytree(network)`."""

    @property
    @abstractmethod
    def count(self) -> int:
        """N."""

    @property
    @abstractmethod
    def dtype(self) -> jnp.dtype:
        """Of J."""

    @abstractmethod
    def forward(self, direction: Array) -> Array:
        """J v (N,) for v (p,)."""

    @abstractmethod
    def transpose(self, cotangent: Array) -> Array:
        """Jᵀ w (p,) for w (N,)."""

    @abstractmethod
    def matrix(self) -> Array:
        """J (N, p)."""

    def normal_panels(self) -> list[Array]:
        """JᵀJ as panels [i:j, :j] of its lower triangle: half the operations of the whole."""
        return _square_panels(self.matrix().T)


def _square_panels(table: Array) -> list[Array]:
    """T Tᵀ as panels of its lower triangle."""
    return panels_of(lambda i, j: table[i:j] @ table[:j].T, table.shape[0])


class GramRows(Rows):
    """Rows whose inner products K = J Jᵀ (N, N) are to be had in parts."""

    @abstractmethod
    def diagonal(self) -> Array:
        """Diagonal of K (N,)."""

    @abstractmethod
    def columns(self, numbers: Array) -> Array:
        """K[:, numbers] (N, m)."""

    def landmarks(self, scores: Array, count: int) -> tuple[Array, Array]:
        """The numbers (m,) of the rows of highest scores (N,), and their columns of K (N, m)."""
        _, numbers = jax.lax.top_k(scores, count)
        return numbers, self.columns(numbers)

    @property
    @abstractmethod
    def column_cost(self) -> float:
        """Floating-point operations of one column of K."""

    @abstractmethod
    def panel(self, start: int, stop: int) -> Array:
        """K[start:stop, :stop] (stop − start, stop)."""


class LayeredRows(GramRows):
    """Rows of one layered network: `activations[ℓ]` (n, inputs), `deltas[ℓ]` (n, o, units).

    There are o rows a point, row k of point i at i·o + k.
    """

    activations: tuple[Array, ...]
    deltas: tuple[Array, ...]

    @property
    def count(self) -> int:
        return self.deltas[0].shape[0] * self.deltas[0].shape[1]

    @property
    def dtype(self) -> jnp.dtype:
        return self.deltas[0].dtype

    def forward(self, direction: Array) -> Array:
        weights, biases = self._layers(direction)
        total = jnp.zeros((), direction.dtype)
        for a, d, weight, bias in zip(self.activations, self.deltas, weights, biases, strict=True):
            total = total + jnp.einsum("nw,now->no", a @ weight + bias, d)
        return total.reshape(-1)

    def transpose(self, cotangent: Array) -> Array:
        weighted = cotangent.reshape(self.deltas[0].shape[:2])
        weights, biases = [], []
        for a, d in zip(self.activations, self.deltas, strict=True):
            spread = jnp.einsum("now,no->nw", d, weighted)
            weights.append((a.T @ spread).reshape(-1))
            biases.append(jnp.sum(spread, axis=0))
        return jnp.concatenate([*weights, *biases])

    def matrix(self) -> Array:
        return self.columns_first().T

    def columns_first(self) -> Array:
        """Jᵀ (p, N) as it lies in memory: products of its rows take half the time of JᵀJ."""
        weights, biases = [], []
        for a, d in zip(self.activations, self.deltas, strict=True):
            own = jnp.einsum("ni,now->iwno", a, d)
            weights.append(own.reshape(-1, self.count))
            biases.append(jnp.transpose(d, (2, 0, 1)).reshape(-1, self.count))
        return jnp.concatenate([*weights, *biases])

    def normal_panels(self) -> list[Array]:
        def add(total: list[Array], part: LayeredRows) -> tuple[list[Array], None]:
            own = _square_panels(part.columns_first())
            return [a + b for a, b in zip(total, own, strict=True)], None

        points, outputs = self.deltas[0].shape[:2]
        block = max(1, ROW_BLOCK // outputs)
        head, tail = split_blocks(self, block)
        parameters = sum(
            (a.shape[1] + 1) * d.shape[2]
            for a, d in zip(self.activations, self.deltas, strict=True)
        )
        dtype = self.deltas[0].dtype
        total = panels_of(lambda i, j: jnp.zeros((j - i, j), dtype), parameters)
        if head is not None:
            total, _ = jax.lax.scan(add, total, head)
        return total if points % block == 0 else add(total, tail)[0]

    def diagonal(self) -> Array:
        total = jnp.zeros((), self.deltas[0].dtype)
        for a, d in zip(self.activations, self.deltas, strict=True):
            total = total + (jnp.sum(a * a, axis=1) + 1.0)[:, None] * jnp.sum(d * d, axis=2)
        return total.reshape(-1)

    def columns(self, numbers: Array) -> Array:
        return self.columns_of(self.chosen(numbers))

    def columns_of(self, other: LayeredRows) -> Array:
        """J J′ᵀ (N, N′) in blocks of rows."""
        return by_blocks(lambda part: part.gram(other), self, ROW_BLOCK)

    @property
    def column_cost(self) -> float:
        pairs = zip(self.activations, self.deltas, strict=True)
        return 2.0 * self.count * sum(a.shape[1] + d.shape[2] for a, d in pairs)

    def panel(self, start: int, stop: int) -> Array:
        single = self.singles()
        return jax.tree.map(lambda a: a[start:stop], single).gram(
            jax.tree.map(lambda a: a[:stop], single)
        )

    def singles(self) -> LayeredRows:
        """The same rows, each as a point with one row."""
        outputs = self.deltas[0].shape[1]
        if outputs == 1:
            return self
        return LayeredRows(
            activations=tuple(jnp.repeat(a, outputs, axis=0) for a in self.activations),
            deltas=tuple(d.reshape(-1, 1, d.shape[2]) for d in self.deltas),
        )

    def chosen(self, numbers: Array) -> LayeredRows:
        """The rows of these numbers, each as a point with one row."""
        outputs = self.deltas[0].shape[1]
        points, row = numbers // outputs, numbers % outputs
        return LayeredRows(
            activations=tuple(a[points] for a in self.activations),
            deltas=tuple(d[points, row][:, None] for d in self.deltas),
        )

    def times(self, table: Array) -> Array:
        """J Tᵀ (N, m) for vectors of parameters T (m, p)."""
        return jax.lax.map(self.forward, table, batch_size=PRODUCT_BLOCK).T

    def gram(self, other: LayeredRows) -> Array:
        """J J′ᵀ (N, N′) against other rows of the same network."""
        n, o, _ = self.deltas[0].shape
        m, q, _ = other.deltas[0].shape
        total = jnp.zeros((), self.deltas[0].dtype)
        for a, d, b, e in zip(
            self.activations, self.deltas, other.activations, other.deltas, strict=True
        ):
            inputs = a @ b.T + 1.0
            units = d.reshape(n * o, -1) @ e.reshape(m * q, -1).T
            total = total + inputs[:, None, :, None] * units.reshape(n, o, m, q)
        return total.reshape(n * o, m * q)

    def _layers(self, direction: Array) -> tuple[list[Array], list[Array]]:
        """The weights and biases in a vector of parameters."""
        weights, biases, start = [], [], 0
        for a, d in zip(self.activations, self.deltas, strict=True):
            shape = (a.shape[1], d.shape[2])
            weights.append(direction[start : start + shape[0] * shape[1]].reshape(shape))
            start += shape[0] * shape[1]
        for d in self.deltas:
            biases.append(direction[start : start + d.shape[2]])
            start += d.shape[2]
        return weights, biases


def layered_rows(network: Network, features: Array, scale: Array) -> LayeredRows:
    """Rows of scale_io N_o(features_i).

    Args:
        network: parameters at which the rows are taken.
        features: (n, inputs).
        scale: (n, outputs), a factor of each row.
    """
    activation = activation_named(network.activation)
    dtype = network.weights[0].dtype
    center, stretch = jnp.asarray(network.center, dtype), jnp.asarray(network.scale, dtype)
    h = (features.astype(dtype) - center) * stretch
    inputs, slopes = [h], []
    for weight, bias in zip(network.weights[:-1], network.biases[:-1], strict=True):
        h, slope = activation.derivatives(h @ weight + bias, 1)
        inputs.append(h)
        slopes.append(slope)
    outputs = network.fields
    delta = scale.astype(dtype)[:, :, None] * jnp.eye(outputs, dtype=dtype)
    deltas = [delta]
    for weight, slope in zip(network.weights[:0:-1], slopes[::-1], strict=True):
        delta = (delta @ weight.T) * slope[:, None, :]
        deltas.append(delta)
    return LayeredRows(tuple(inputs), tuple(deltas[::-1]))


class DenseRows(GramRows):
    """Rows given as a matrix (N, p)."""

    table: Array

    @property
    def count(self) -> int:
        return self.table.shape[0]

    @property
    def dtype(self) -> jnp.dtype:
        return self.table.dtype

    def forward(self, direction: Array) -> Array:
        return self.table @ direction

    def transpose(self, cotangent: Array) -> Array:
        return cotangent @ self.table

    def matrix(self) -> Array:
        return self.table

    def diagonal(self) -> Array:
        return jnp.sum(self.table**2, axis=1)

    def columns(self, numbers: Array) -> Array:
        return self.table @ self.table[numbers].T

    @property
    def column_cost(self) -> float:
        return 2.0 * self.table.size

    def panel(self, start: int, stop: int) -> Array:
        return self.table[start:stop] @ self.table[:stop].T


class StackedRows(GramRows):
    """Rows of a network above rows given as a matrix."""

    upper: LayeredRows
    lower: DenseRows

    @property
    def count(self) -> int:
        return self.upper.count + self.lower.count

    @property
    def dtype(self) -> jnp.dtype:
        return self.upper.dtype

    def forward(self, direction: Array) -> Array:
        return jnp.concatenate([self.upper.forward(direction), self.lower.forward(direction)])

    def transpose(self, cotangent: Array) -> Array:
        above, below = jnp.split(cotangent, [self.upper.count])
        return self.upper.transpose(above) + self.lower.transpose(below)

    def matrix(self) -> Array:
        return jnp.concatenate([self.upper.matrix(), self.lower.matrix()])

    def diagonal(self) -> Array:
        return jnp.concatenate([self.upper.diagonal(), self.lower.diagonal()])

    def normal_panels(self) -> list[Array]:
        both = zip(self.upper.normal_panels(), self.lower.normal_panels(), strict=True)
        return [a + b for a, b in both]

    def columns(self, numbers: Array) -> Array:
        """Both kinds of columns are made for every number, and one is taken: for few numbers."""
        height = self.upper.count
        first = self._upper_columns(jnp.minimum(numbers, height - 1))
        second = self._lower_columns(jnp.maximum(numbers - height, 0))
        return jnp.where(numbers < height, first, second)

    def landmarks(self, scores: Array, count: int) -> tuple[Array, Array]:
        """The highest scores among the rows of either kind, in fixed numbers of each.

        A column of a row given as a matrix costs a product with J, many times one by layers:
        at most an eighth of the landmarks are such rows.
        """
        height = self.upper.count
        below = min(self.lower.count, max(count // 8, count - height))
        _, first = jax.lax.top_k(scores[:height], count - below)
        _, second = jax.lax.top_k(scores[height:], below)
        columns = [self._upper_columns(first), self._lower_columns(second)]
        return jnp.concatenate([first, second + height]), jnp.concatenate(columns, axis=1)

    def _upper_columns(self, numbers: Array) -> Array:
        across = self.upper.chosen(numbers).times(self.lower.table).T
        return jnp.concatenate([self.upper.columns(numbers), across])

    def _lower_columns(self, numbers: Array) -> Array:
        rows = self.lower.table[numbers]
        return jnp.concatenate([self.upper.times(rows), self.lower.table @ rows.T])

    @property
    def column_cost(self) -> float:
        size = self.lower.table.size
        products = 4.0 * self.upper.count * self.lower.table.shape[1] / 8.0
        return self.upper.column_cost + 2.0 * size + products

    def panel(self, start: int, stop: int) -> Array:
        height = self.upper.count
        if stop <= height:
            return self.upper.panel(start, stop)
        rows = self.lower.table[max(start - height, 0) : stop - height]
        across = self.upper.times(rows).T
        below = jnp.concatenate([across, rows @ self.lower.table[: stop - height].T], axis=1)
        if start >= height:
            return below
        left = self.upper.panel(start, height)
        # Entries above the diagonal of the last rows are by symmetry those below it.
        right = across[:, start:].T
        return jnp.concatenate([jnp.concatenate([left, right], axis=1), below])


class LinearisedRows(Rows):
    """Rows of any differentiable function, linearised once; products follow the linear part.

    `linear` is v → J v with what it holds of the point as its leaves, so that rows can be an
    argument of compiled functions.
    """

    linear: Callable[[Array], Array]
    size: int = eqx.field(static=True)
    parameters: int = eqx.field(static=True)
    kind: jnp.dtype = eqx.field(static=True)

    @property
    def count(self) -> int:
        return self.size

    @property
    def dtype(self) -> jnp.dtype:
        return self.kind

    def forward(self, direction: Array) -> Array:
        return self.linear(direction)

    def transpose(self, cotangent: Array) -> Array:
        shape = jax.ShapeDtypeStruct((self.parameters,), self.kind)
        return jax.linear_transpose(self.linear, shape)(cotangent)[0]

    def matrix(self) -> Array:
        unit = jnp.eye(self.size, dtype=self.kind)
        return jax.lax.map(self.transpose, unit, batch_size=JACOBIAN_BLOCK)


def linearised_rows(function: Callable[[Any], Array], parameters: Any) -> LinearisedRows:
    """Rows of the derivative of `function(parameters)` (any shape, flattened)."""
    point, shape = ravel_pytree(parameters)
    value, linear = jax.linearize(lambda flat: function(shape(flat)).reshape(-1), point)
    return LinearisedRows(linear, value.size, point.size, value.dtype)


def split_blocks(rows: T, size: int) -> tuple[T | None, T]:
    """Arrays (n, …) of a pytree as (blocks, size, …), None if there is no block, and the rest."""
    points = jax.tree.leaves(rows)[0].shape[0]
    whole = points // size * size
    head = jax.tree.map(lambda a: a[:whole].reshape(-1, size, *a.shape[1:]), rows)
    return head if whole else None, jax.tree.map(lambda a: a[whole:], rows)


def by_blocks(function: Callable[[T], Array], rows: T, size: int) -> Array:
    """`function` of blocks of `size` points of a pytree of arrays (n, …), results stacked."""
    if jax.tree.leaves(rows)[0].shape[0] <= size:
        return function(rows)
    head, tail = split_blocks(rows, size)
    result = jax.lax.map(function, head)
    result = result.reshape(-1, *result.shape[2:])
    if jax.tree.leaves(tail)[0].shape[0] == 0:
        return result
    return jnp.concatenate([result, function(tail)])
