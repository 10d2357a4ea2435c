"""Evaluate a function of the rows of a table in chunks, with gradients in bounded memory.

A residual at n collocation points is a function of each point's data alone. Working through the
points in chunks of a few hundred keeps every intermediate in cache, and gradients need memory
for one chunk instead of for all points. There are two forms:

- `chunked_rows` returns the rows. Its reverse mode evaluates every chunk a second time.
- `sum_of_squares` returns Σ‖rᵢ‖². Its gradient is accumulated while the value is computed, so
  nothing is evaluated twice: the form for training.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array
from jax.custom_derivatives import CustomVJPPrimal, SymbolicZero

__all__ = ["DEFAULT_CHUNK", "chunked_rows", "row_jacobian", "sum_of_squares"]

#: Rows per chunk. 128 to 256 is best on busy cores or with wide layers, 512 on an idle machine;
#: 256 loses at most a quarter in either case (benchmarks/derivatives.py).
DEFAULT_CHUNK = 256

RowFunction = Callable[[Any, Any], Any]


def _row_count(rows: Any) -> int:
    counts = {leaf.shape[0] if leaf.ndim else None for leaf in jax.tree.leaves(rows)}
    if len(counts) != 1 or None in counts:
        raise ValueError(f"all data of the rows need one common leading length, not {counts}")
    (count,) = counts
    if not count:
        raise ValueError("there are no rows to evaluate")
    return count


def _split(rows: Any, count: int, chunk: int) -> tuple[Any, int]:
    """Rows as (chunks, size, …) of equal size; the last row fills up the last chunk."""
    chunks = -(-count // chunk)
    size = -(-count // chunks)
    padding = chunks * size - count

    def split(leaf: Array) -> Array:
        leaf = jnp.asarray(leaf)
        if padding:
            filler = jnp.broadcast_to(leaf[-1:], (padding, *leaf.shape[1:]))
            leaf = jnp.concatenate([leaf, filler])
        return leaf.reshape(chunks, size, *leaf.shape[1:])

    return jax.tree.map(split, rows), size


def chunked_rows(
    function: RowFunction, parameters: Any, rows: Any, *, chunk: int | None = DEFAULT_CHUNK
) -> Any:
    """function(parameters, rows) evaluated for `chunk` rows at a time.

    Args:
        function: maps (parameters, rows) to a pytree of arrays whose leading axis is the rows'
            and in which row i depends on row i of the data alone.
        parameters: any pytree.
        rows: pytree of arrays with one common leading length n.
        chunk: most rows at a time; None takes all at once.

    Returns:
        What `function(parameters, rows)` returns, with exactly n rows. All modes of
        differentiation work; reverse mode recomputes each chunk instead of storing it.
    """
    count = _row_count(rows)
    if chunk is None or count <= chunk:
        return function(parameters, rows)
    parts, _ = _split(rows, count, chunk)
    one = jax.checkpoint(lambda part: function(parameters, part))
    result = jax.lax.map(one, parts)
    return jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:])[:count], result)


def sum_of_squares(
    function: RowFunction, parameters: Any, rows: Any, *, chunk: int | None = DEFAULT_CHUNK
) -> tuple[Array, Any]:
    """Σᵢ‖rᵢ‖² of the residual rows r = function(parameters, rows), in chunks.

    Args:
        function: as in `chunked_rows`; the leaves of its result are the residuals.
        parameters: pytree; gradients flow to its floating-point arrays.
        rows: pytree of arrays with one common leading length; they are constants, so put what
            is differentiated into `parameters`.
        chunk: most rows at a time; None takes all at once.

    Returns:
        (total, parts): the sum over everything, and a pytree shaped as the result of `function`
        with the sum of squares of each leaf, for reports (no gradient flows through it).

    Raises:
        TypeError: when a derivative with respect to `rows` is asked for and there is more than
            one chunk.
    """
    count = _row_count(rows)
    if chunk is None or count <= chunk:
        parts = jax.tree.map(lambda leaf: jnp.sum(leaf * leaf), function(parameters, rows))
        return _total(parts), jax.lax.stop_gradient(parts)

    split, size = _split(rows, count, chunk)
    free, fixed = eqx.partition(parameters, eqx.is_inexact_array)
    starts = jnp.arange(0, count, size)

    def one_chunk(free: Any, start: Array, part: Any) -> tuple[Array, Any]:
        residuals = function(eqx.combine(free, fixed), part)
        counts = start + jnp.arange(size) < count

        def squares(leaf: Array) -> Array:
            keep = counts.reshape(size, *[1] * (leaf.ndim - 1))
            return jnp.sum(jnp.where(keep, leaf * leaf, 0.0))

        parts = jax.tree.map(squares, residuals)
        return _total(parts), parts

    def scan_sum(operation: Callable[[Any, Array, Any], Any], free: Any, split: Any) -> Any:
        shapes = jax.eval_shape(operation, free, starts[0], jax.tree.map(lambda a: a[0], split))
        zero = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), shapes)

        def body(carry: Any, item: tuple[Array, Any]) -> tuple[Any, None]:
            return jax.tree.map(jnp.add, carry, operation(free, *item)), None

        return jax.lax.scan(body, zero, (starts, split))[0]

    @jax.custom_vjp
    def total(free: Any, split: Any) -> tuple[Array, Any]:
        return scan_sum(one_chunk, free, split)

    def forward(free: Any, split: Any) -> tuple[tuple[Array, Any], Any]:
        if any(leaf.perturbed for leaf in jax.tree.leaves(split, is_leaf=_is_primal)):
            raise TypeError(
                "the rows of `sum_of_squares` are constants; put into `parameters`"
                " what is differentiated"
            )
        values = jax.tree.map(lambda leaf: leaf.value, (free, split), is_leaf=_is_primal)
        (value, parts), gradient = scan_sum(jax.value_and_grad(one_chunk, has_aux=True), *values)
        return (value, parts), gradient

    def backward(gradient: Any, cotangents: tuple[Any, Any]) -> tuple[Any, None]:
        scale = cotangents[0]
        if isinstance(scale, SymbolicZero):
            return jax.tree.map(jnp.zeros_like, gradient), None
        return jax.tree.map(lambda leaf: (scale * leaf).astype(leaf.dtype), gradient), None

    total.defvjp(forward, backward, symbolic_zeros=True)
    value, parts = total(free, split)
    return value, jax.lax.stop_gradient(parts)


def _is_primal(leaf: Any) -> bool:
    return isinstance(leaf, CustomVJPPrimal)


def _total(parts: Any) -> Array:
    return reduce(jnp.add, jax.tree.leaves(parts))


def row_jacobian(
    function: RowFunction, parameters: Any, rows: Any, *, chunk: int = DEFAULT_CHUNK
) -> Array:
    """The Jacobian of function(parameters, rows), row by row.

    Args:
        function: as in `chunked_rows`, with one array (n,) or (n, k) as its result.
        parameters: pytree; the p numbers of its floating-point arrays are the variables.
        rows: pytree of arrays with one common leading length n.
        chunk: rows at a time, with every intermediate of their gradients.

    Returns:
        (n, p) or (n, k, p); columns in the order of the flattened pytree.
    """
    count = _row_count(rows)
    free, fixed = eqx.partition(parameters, eqx.is_inexact_array)

    def one_row(row: Any) -> Array:
        def value(free: Any) -> Array:
            whole = jax.tree.map(lambda leaf: leaf[None], row)
            return function(eqx.combine(free, fixed), whole)[0]

        jacobian = jax.jacrev(value)(free)
        shape = jax.eval_shape(value, free).shape
        leaves = [leaf.reshape(*shape, -1) for leaf in jax.tree.leaves(jacobian)]
        return jnp.concatenate(leaves, axis=-1)

    if count <= chunk:
        return jax.vmap(one_row)(rows)
    parts, _ = _split(rows, count, chunk)
    result = jax.lax.map(jax.vmap(one_row), parts)
    return result.reshape(-1, *result.shape[2:])[:count]
