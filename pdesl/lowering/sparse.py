"""Products of a fixed sparse matrix with vectors, differentiable and fast on one machine.

A matrix L is held twice, as itself and as its transpose, so that the derivative of L @ u, which
is a product with Lᵀ, is a gather like the product itself and never a scatter.  Each copy is
stored by columns of its rows (ELLPACK): entry k of every row in one array, the sum over k
written out, which XLA turns into one loop over the rows.  The few rows longer than the rest
(columns of L that many stencils share) keep their tail in a list of single entries, so that one
long row does not pad all others.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from operator import add
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from equinox import Module, field
from jax import lax
from jax.custom_batching import custom_vmap
from scipy.sparse import csr_matrix, sparray, spmatrix

__all__ = ["Ellpack", "SparseOperator"]

# Columns summed among themselves before they join the total, for one right-hand side: one
# running sum over 31 columns took 2.5 times as long (7.0 against 2.8 ms at N = 100,000).
_GROUP = 8
# Up to this many columns are summed in one loop over the rows; beyond, each step of a loop adds
# a few.  Every column is read as two streams, and with 45 of them the processor's address
# translation misses: 3.6 ms in one loop, 1.7 ms in steps of 12 at N = 100,000.
_ONE_LOOP = 36
_STEP = 12
# The same bound for many right-hand sides, where each entry is read once for all of them and
# one running sum over all columns measures best: there it only keeps the compilation short.
_ONE_LOOP_MANY = 96
# Rows handled together when vmap asks for a product with many right-hand sides.
_BLOCK_ROWS = 2048
# Cost of one entry of the tail, a scatter, in units of one stored entry, a gather.
_TAIL_COST = 10.0


class Ellpack(Module):
    """Σ_k values[k, i] u[indices[k, i]], and the tail: tail_values at (tail_rows, tail_columns).

    `values` and `indices` (width, rows); unused entries have the value 0 and repeat an index of
    their row.
    """

    values: jax.Array
    indices: jax.Array
    tail_values: jax.Array
    tail_rows: jax.Array
    tail_columns: jax.Array

    @classmethod
    def make(cls, matrix: csr_matrix, dtype: npt.DTypeLike, width: int | None = None) -> Ellpack:
        lengths = np.diff(matrix.indptr)
        width = _best_width(lengths) if width is None else width
        rows = np.repeat(np.arange(len(lengths)), lengths)
        place = np.arange(matrix.nnz) - np.repeat(matrix.indptr[:-1], lengths)
        kept = place < width
        values = np.zeros((width, len(lengths)), dtype)
        first = np.zeros(len(lengths), np.int32)
        filled = lengths > 0
        first[filled] = matrix.indices[matrix.indptr[:-1][filled]]
        indices = np.broadcast_to(first, values.shape).copy()
        values[place[kept], rows[kept]] = matrix.data[kept]
        indices[place[kept], rows[kept]] = matrix.indices[kept]
        tail = ~kept
        return cls(
            jnp.asarray(values),
            jnp.asarray(indices),
            jnp.asarray(matrix.data[tail].astype(dtype)),
            jnp.asarray(rows[tail].astype(np.int32)),
            jnp.asarray(matrix.indices[tail].astype(np.int32)),
        )

    @classmethod
    def stacked(cls, matrices: Sequence[csr_matrix], dtype: npt.DTypeLike) -> Ellpack:
        """Matrices of one shape with equal widths and tails: arrays (matrices, …) of NumPy."""
        width = max(_best_width(np.diff(matrix.indptr)) for matrix in matrices)
        made = [jax.tree.map(np.asarray, cls.make(matrix, dtype, width)) for matrix in matrices]
        longest = max(one.tail_values.size for one in made)
        last = max(len(matrices[0].indptr) - 2, 0)

        def stack(name: str, value: int | None = None) -> Any:
            arrays = [getattr(one, name) for one in made]
            if value is not None:
                arrays = [np.pad(a, (0, longest - a.size), constant_values=value) for a in arrays]
            return np.stack(arrays)

        return cls(
            stack("values"), stack("indices"), stack("tail_values", 0),
            stack("tail_rows", last), stack("tail_columns", 0),
        )  # fmt: skip

    def product(self, vector: jax.Array) -> jax.Array:
        """(rows,) or (rows, B) from (columns,) or (columns, B)."""
        return self._add_tail(_sum_columns(self.values, self.indices, vector), vector)

    def _add_tail(self, result: jax.Array, vector: jax.Array) -> jax.Array:
        if self.tail_values.size == 0:
            return result
        gathered = vector.at[self.tail_columns].get(mode="promise_in_bounds")
        return result.at[self.tail_rows].add(
            (self.tail_values if vector.ndim == 1 else self.tail_values[:, None]) * gathered,
            mode="promise_in_bounds",
            indices_are_sorted=True,
        )

    def product_of_rows(self, vectors: jax.Array) -> jax.Array:
        """(B, rows) from (B, columns): what vmap asks for.

        A loop over blocks of rows, because without one XLA fuses the transpositions into the
        sum and reads the matrix B times.
        """
        rows = self.values.shape[1]
        columns_first = vectors.T
        if rows <= _BLOCK_ROWS:
            return self.product(columns_first).T

        def step(block: jax.Array, result: jax.Array) -> jax.Array:
            # The last block overlaps the one before it and writes the same numbers again.
            start = jnp.minimum(block * _BLOCK_ROWS, rows - _BLOCK_ROWS)
            values = lax.dynamic_slice_in_dim(self.values, start, _BLOCK_ROWS, axis=1)
            indices = lax.dynamic_slice_in_dim(self.indices, start, _BLOCK_ROWS, axis=1)
            part = _sum_columns(values, indices, columns_first)
            return lax.dynamic_update_slice_in_dim(result, part, start, axis=0)

        empty = jnp.zeros((rows, vectors.shape[0]), vectors.dtype)
        result = lax.fori_loop(0, -(-rows // _BLOCK_ROWS), step, empty)
        return self._add_tail(result, columns_first).T


class SparseOperator(Module):
    """A constant sparse matrix (N, M) with its transpose: `operator @ u`.

    A pytree whose leaves are the arrays: pass it to jitted functions as an argument, since
    arrays captured by a closure become part of the compiled program.  `operator @ u` takes u
    (M,) or (M, B) and is linear in u under jvp, vjp, vmap (one product with many right-hand
    sides, not many products), jit, scan and every nesting of them.  The matrix is a constant
    for differentiation: derivatives with respect to its entries are zero.

    On a CPU a product costs about as much as SciPy's CSR product.  The result has the wider of
    the two number types.
    """

    _forward: Ellpack
    _backward: Ellpack
    shape: tuple[int, int] = field(static=True)

    @classmethod
    def from_csr(
        cls, matrix: spmatrix | sparray, dtype: npt.DTypeLike | None = None
    ) -> SparseOperator:
        """The operator of a SciPy sparse matrix of any format; `dtype` defaults to its own.

        Raises `ValueError` for float64 while JAX is set to 32 bits.
        """
        rows: csr_matrix = csr_matrix(matrix, copy=True)
        rows.sum_duplicates()
        wanted = np.dtype(rows.dtype if dtype is None else dtype)
        if not np.issubdtype(wanted, np.inexact):
            wanted = np.dtype(np.float64 if dtype is None else dtype)
        if not np.issubdtype(wanted, np.inexact):
            raise ValueError(f"an operator holds floating-point numbers, not {wanted}")
        if jax.dtypes.canonicalize_dtype(wanted) != wanted:
            raise ValueError(f"{wanted} needs jax_enable_x64; or give dtype=float32")
        columns = csr_matrix(rows.T)
        columns.sort_indices()
        shape = (len(rows.indptr) - 1, len(columns.indptr) - 1)
        return cls(Ellpack.make(rows, wanted), Ellpack.make(columns, wanted), shape)

    @classmethod
    def stacked(
        cls, matrices: Sequence[csr_matrix], dtype: npt.DTypeLike = np.float64
    ) -> SparseOperator:
        """Operators of equal shape as one pytree with a first axis, for one block a device."""
        columns = [csr_matrix(matrix.T) for matrix in matrices]
        shape = (len(matrices[0].indptr) - 1, len(columns[0].indptr) - 1)
        return cls(Ellpack.stacked(matrices, dtype), Ellpack.stacked(columns, dtype), shape)

    @classmethod
    def from_stencils(
        cls,
        values: npt.ArrayLike,
        indices: npt.ArrayLike,
        columns: int,
        dtype: npt.DTypeLike | None = None,
    ) -> SparseOperator:
        """The operator with the entries values[i, j] at (i, indices[i, j]), both arrays (N, n)."""
        data, places = np.asarray(values), np.asarray(indices)
        if data.ndim != 2 or data.shape != places.shape:
            raise ValueError(f"values {data.shape} and indices {places.shape} must be equal (N, n)")
        if places.size and not (places.min() >= 0 and places.max() < columns):
            raise ValueError(f"an index lies outside the {columns} columns")
        count, size = data.shape
        starts = np.arange(0, count * size + 1, size) if size else np.zeros(count + 1, np.int32)
        matrix = csr_matrix((data.ravel(), places.ravel(), starts), shape=(count, columns))
        return cls.from_csr(matrix, dtype)

    @property
    def T(self) -> SparseOperator:  # noqa: N802, the name NumPy and SciPy give it
        """The transpose, which shares its arrays with this operator."""
        return SparseOperator(self._backward, self._forward, (self.shape[1], self.shape[0]))

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(self._forward.values.dtype)

    def astype(self, dtype: npt.DTypeLike) -> SparseOperator:
        """The same matrix in another number type."""

        def convert(leaf: jax.Array) -> jax.Array:
            return leaf.astype(np.dtype(dtype)) if jnp.issubdtype(leaf.dtype, jnp.inexact) else leaf

        return jax.tree.map(convert, self)

    def to_csr(self) -> csr_matrix:
        """The matrix in SciPy's form; entries that are 0 are left out."""
        forward = jax.tree.map(np.asarray, self._forward)
        width, count = forward.values.shape
        rows = np.concatenate([np.tile(np.arange(count), width), forward.tail_rows])
        columns = np.concatenate([forward.indices.ravel(), forward.tail_columns])
        data = np.concatenate([forward.values.ravel(), forward.tail_values])
        used = data != 0
        return csr_matrix((data[used], (rows[used], columns[used])), shape=self.shape)

    def __matmul__(self, vector: jax.typing.ArrayLike) -> jax.Array:
        array = jnp.asarray(vector)
        if array.ndim not in (1, 2) or array.shape[0] != self.shape[1]:
            raise ValueError(
                f"an operator of shape {self.shape} cannot multiply an array of shape "
                f"{array.shape}: it must be ({self.shape[1]},) or ({self.shape[1]}, B)"
            )
        return _multiply(self, array)


@jax.jit
def _multiply(matrix: SparseOperator, vector: jax.Array) -> jax.Array:
    """L u, whose derivative is L u̇ and whose transpose is Lᵀ v.

    `lax.custom_linear_solve` is the public JAX function that lets one give a linear map its
    transpose and still differentiate it forwards, backwards and repeatedly, and batch it: here
    "solve" is the product.  It is made for square systems, hence the padding of the shorter of
    the two vectors.  Its `matvec` is needed for its shape only and never compiled.
    """
    matrix = lax.stop_gradient(matrix)
    vector = vector.astype(jnp.result_type(matrix.dtype, vector.dtype))
    count, width = matrix.shape
    side = max(count, width)

    def pad(array: jax.Array) -> jax.Array:
        if array.shape[0] == side:
            return array
        return jnp.pad(array, [(0, side - array.shape[0])] + [(0, 0)] * (array.ndim - 1))

    def solve(_, right: jax.Array) -> jax.Array:
        return pad(_batched_product(matrix._forward, right[:width]))

    def transpose_solve(_, right: jax.Array) -> jax.Array:
        return pad(_batched_product(matrix._backward, right[:count]))

    padded = lax.custom_linear_solve(lambda x: x, pad(vector), solve, transpose_solve)
    return padded[:count]


def _batched_product(matrix: Ellpack, vector: jax.Array) -> jax.Array:
    """`matrix.product`, which vmap turns into one product with many right-hand sides."""

    @custom_vmap
    def product(matrix: Ellpack, vector: jax.Array) -> jax.Array:
        return matrix.product(vector)

    @product.def_vmap
    def product_of_batch(size, batched, matrix: Ellpack, vector: jax.Array):
        matrix_batched, vector_batched = batched
        if any(jax.tree.leaves(matrix_batched)):
            axes = jax.tree.map(lambda b: 0 if b else None, matrix_batched)
            direct = jax.vmap(Ellpack.product, (axes, 0 if vector_batched else None))
            return direct(matrix, vector), True
        if vector.ndim == 2:
            return matrix.product_of_rows(vector), True
        flat = jnp.moveaxis(vector, 0, 1).reshape(vector.shape[1], -1)
        result = _batched_product(matrix, flat)
        return jnp.moveaxis(result.reshape(-1, size, *vector.shape[2:]), 1, 0), True

    return product(matrix, vector)


def _sum_columns(values: jax.Array, indices: jax.Array, vector: jax.Array) -> jax.Array:
    """Σ_k values[k] · vector[indices[k]], the sum over k written out as far as that is fast."""
    width = values.shape[0]
    single = vector.ndim == 1
    steps = width // _STEP if width > (_ONE_LOOP if single else _ONE_LOOP_MANY) else 0
    first = width - steps * _STEP
    group = _GROUP if single else width

    def term(values: jax.Array, indices: jax.Array) -> jax.Array:
        gathered = vector.at[indices].get(mode="promise_in_bounds")
        return (values if single else values[:, None]) * gathered

    def written_out(values: jax.Array, indices: jax.Array) -> jax.Array:
        terms = [term(values[k], indices[k]) for k in range(values.shape[0])]
        groups = [terms[start : start + group] for start in range(0, len(terms), group)]
        return functools.reduce(add, (functools.reduce(add, part) for part in groups))

    def step(number: jax.Array, total: jax.Array) -> jax.Array:
        start = first + number * _STEP
        return total + written_out(
            lax.dynamic_slice_in_dim(values, start, _STEP),
            lax.dynamic_slice_in_dim(indices, start, _STEP),
        )

    if first:
        total = written_out(values[:first], indices[:first])
    else:
        total = jnp.zeros((values.shape[1], *vector.shape[1:]), vector.dtype)
    return lax.fori_loop(0, steps, step, total) if steps else total


def _best_width(lengths: npt.NDArray[np.integer]) -> int:
    """The width that minimises stored entries + cost of the tail."""
    if lengths.size == 0 or lengths.max() == 0:
        return 0
    counts = np.bincount(lengths)
    longer = lengths.size - np.cumsum(counts)
    # Tail of width w: Σ over rows of max(length − w, 0) = Σ_{v ≥ w} (rows longer than v).
    tail = np.cumsum(longer[::-1])[::-1]
    cost = np.arange(len(counts)) * lengths.size + _TAIL_COST * tail
    return int(np.argmin(cost))
