"""Banded, sparse and matrix-free linear parts of implicit steps, and the choice among all kinds."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse
from jax import Array

from pdesl.diagnostics import SolverError
from pdesl.solvers.implicit_operators import (
    DenseOperator,
    DiagonalOperator,
    FourierOperator,
    ImplicitOperator,
)
from pdesl.solvers.implicit_solves import SparseFactor
from pdesl.solvers.rollout_krylov import gmres

__all__ = ["BandedOperator", "KrylovOperator", "SparseOperator", "operator_of_matrix"]

# Factors of a sparse operator that the host keeps.
KEPT_FACTORS = 16
# Up to this size the product with a dense inverse beats substitution.
LARGEST_DENSE = 2048
# Diagonals beside the main one up to which a matrix counts as banded.
WIDEST_BAND = 4
# Entries below this share of the largest are rounding.
ROUNDING = 1e-13


class BandedOperator(ImplicitOperator):
    """J with few diagonals, solved by LU without pivots (Thomas' algorithm for three).

    I − γ Δt J has pivots on its diagonal where J is dissipative and diagonally dominant; the
    solve gives not-a-number where one vanishes.

    Attributes:
        values: (lower + 1 + upper, n) with J_ij at [upper + i − j, j], as SciPy has it.
        lower, upper: diagonals below and above the main one.
    """

    values: Any
    lower: int = eqx.field(static=True)
    upper: int = eqx.field(static=True)
    stored: dict[float, Any] = eqx.field(default_factory=dict, kw_only=True)

    @property
    def words(self) -> str:
        return f"banded ({self.lower + 1 + self.upper} diagonals), LU by substitution"

    def _rows(self, table: Any) -> Any:
        """J_{i, i+k} at [lower + k, i], zero outside of the matrix."""
        n = table.shape[1]
        rows = []
        for k in range(-self.lower, self.upper + 1):
            line = jnp.roll(jnp.asarray(table[self.upper - k]), -k)
            index = jnp.arange(n) + k
            rows.append(jnp.where((index >= 0) & (index < n), line, 0))
        return jnp.stack(rows)

    def apply_table(self, table: Any, state: Array) -> Array:
        rows = self._rows(table).astype(state.dtype)
        terms = zip(range(-self.lower, self.upper + 1), rows, strict=True)
        # Rolled values that come around meet coefficients that are zero.
        return sum((row * jnp.roll(state, -k, axis=1) for k, row in terms), jnp.zeros_like(state))

    def make_factor(self, table: Any, shift: Any) -> Any:
        rows = -shift * self._rows(table)
        rows = rows.at[self.lower].add(1.0).T
        low, high = self.lower, self.upper

        def eliminate(above: Array, row: Array) -> tuple[Array, Any]:
            for j in range(low):
                part = row[j] / above[j, 0]
                row = row.at[j].set(part)
                row = row.at[j + 1 : j + 1 + high].add(-part * above[j, 1:])
            own = row[low:]
            return jnp.concatenate([above[1:], own[None]])[-low:] if low else above, (
                row[:low],
                own,
            )

        start = jnp.zeros((low, high + 1), rows.dtype).at[:, 0].set(1.0)
        return jax.lax.scan(eliminate, start, rows)[1]

    def solve_factor(self, factor: Any, right: Array) -> Array:
        multipliers, rows = (part.astype(right.dtype) for part in factor)
        batch = right.shape[0]

        def forward(before: Array, item: Any) -> tuple[Array, Array]:
            line, value = item
            value = value - line @ before
            return jnp.concatenate([before, value[None]])[1:], value

        def backward(after: Array, item: Any) -> tuple[Array, Array]:
            line, value = item
            value = (value - line[1:] @ after) / line[0]
            return jnp.concatenate([value[None], after])[: self.upper], value

        zeros = jnp.zeros((self.lower, batch), right.dtype)
        _, values = jax.lax.scan(forward, zeros, (multipliers, right.T))
        zeros = jnp.zeros((self.upper, batch), right.dtype)
        _, values = jax.lax.scan(backward, zeros, (rows, values), reverse=True)
        return values.T

    def solve_factor_transposed(self, factor: Any, right: Array) -> Array:
        return jax.linear_transpose(lambda r: self.solve_factor(factor, r), right)(right)[0]


class HostFactors:
    """LU factorisations on the host, by what they factor; the latest ones are kept."""

    def __init__(self, rows: np.ndarray, columns: np.ndarray, size: int) -> None:
        self.rows, self.columns, self.size = rows, columns, size
        self.made = 0
        self._kept: OrderedDict[bytes, SparseFactor | None] = OrderedDict()

    def name(self, values: np.ndarray, shift: np.ndarray) -> np.ndarray:
        """Four words that stand for the numbers of a matrix."""
        digest = hashlib.blake2b(np.ascontiguousarray(values).tobytes(), digest_size=16)
        digest.update(np.asarray(shift, float).tobytes())
        return np.frombuffer(digest.digest(), np.uint32).copy()

    def _factor(self, name: np.ndarray, values: np.ndarray, shift: np.ndarray) -> Any:
        key = np.asarray(name).tobytes()
        if key not in self._kept:
            shape = (self.size, self.size)
            entries = np.asarray(values, float), (self.rows, self.columns)
            matrix: Any = scipy.sparse.coo_array(entries, shape=shape).tocsr()
            matrix = scipy.sparse.eye_array(self.size) - float(shift) * matrix
            try:
                self._kept[key] = SparseFactor(matrix, "the equations of an implicit step")
            except SolverError:
                # Inside of a compiled computation a failure is a number that is none.
                self._kept[key] = None
            self.made += 1
            if len(self._kept) > KEPT_FACTORS:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return self._kept[key]

    def solve(
        self, name: Any, values: Any, shift: Any, right: Any, *, transposed: bool
    ) -> np.ndarray:
        """(I − γ J)⁻¹ of every row of (batch, n), or the same of the transposed matrix."""
        given = np.asarray(right)
        factor = self._factor(np.asarray(name), np.asarray(values), np.asarray(shift))
        if factor is None:
            return np.full_like(given, np.nan)
        rows = given.astype(float).T
        found = factor.solve_transposed(rows) if transposed else factor.solve(rows)
        return np.ascontiguousarray(found.T).astype(given.dtype)


class SparseOperator(ImplicitOperator):
    """A sparse J, solved by LU on the host: one factor for each shift, transposed solves from it.

    Attributes:
        values: (nnz,) numbers.
        rows, columns: (nnz,) where they stand; entries at one place add up.
        size: n.
    """

    values: Any
    rows: np.ndarray
    columns: np.ndarray
    size: int = eqx.field(static=True)
    host: HostFactors = eqx.field(static=True)
    stored: dict[float, Any] = eqx.field(default_factory=dict, kw_only=True)

    def __init__(self, values: Any, rows: np.ndarray, columns: np.ndarray, size: int) -> None:
        self.values = values
        self.rows, self.columns = np.asarray(rows), np.asarray(columns)
        self.size = size
        self.host = HostFactors(self.rows, self.columns, size)
        self.stored = {}

    @property
    def words(self) -> str:
        return f"sparse LU on the host, {self.size:,} unknowns, {len(self.rows):,} entries"

    def apply_table(self, table: Any, state: Array) -> Array:
        values = jnp.asarray(table).astype(state.dtype)
        terms = state[:, self.columns] * values
        return jnp.zeros_like(state).at[:, self.rows].add(terms)

    def make_factor(self, table: Any, shift: Any) -> Any:
        values, shift = jnp.asarray(table), jnp.asarray(shift)
        shape = jax.ShapeDtypeStruct((4,), jnp.uint32)
        name = jax.pure_callback(self.host.name, shape, values, shift, vmap_method="sequential")
        return name, values, shift

    def _solve(self, factor: Any, right: Array, *, transposed: bool) -> Array:
        def call(name: Any, values: Any, shift: Any, right: Any) -> np.ndarray:
            return self.host.solve(name, values, shift, right, transposed=transposed)

        shape = jax.ShapeDtypeStruct(right.shape, right.dtype)
        return jax.pure_callback(call, shape, *factor, right, vmap_method="sequential")

    def solve_factor(self, factor: Any, right: Array) -> Array:
        return self._solve(factor, right, transposed=False)

    def solve_factor_transposed(self, factor: Any, right: Array) -> Array:
        return self._solve(factor, right, transposed=True)


class KrylovOperator(ImplicitOperator):
    """J as a function, solved by GMRES on the whole batch; no matrix is formed.

    Attributes:
        values: the table, or a function of the parameters that gives it.
        product: (table, state) -> J u for every row, linear in the state; it closes over no
            traced arrays, which belong in the table.
        tolerance: of the relative residual; none: a small multiple of the rounding unit.
    """

    values: Any
    product: Callable[[Any, Array], Array]
    tolerance: float | None = eqx.field(static=True, default=None)
    stored: dict[float, Any] = eqx.field(default_factory=dict, kw_only=True)

    @property
    def words(self) -> str:
        wanted = "rounding" if self.tolerance is None else f"{self.tolerance:g}"
        return f"matrix-free, GMRES to a relative residual of {wanted}"

    def apply_table(self, table: Any, state: Array) -> Array:
        return self.product(table, state)

    def make_factor(self, table: Any, shift: Any) -> Any:
        return table, shift

    def solve_factor(self, factor: Any, right: Array) -> Array:
        table, shift = factor
        return gmres(lambda v: v - shift * self.product(table, v), right, tolerance=self.tolerance)[
            0
        ]

    def solve_factor_transposed(self, factor: Any, right: Array) -> Array:
        table, shift = factor

        def product(v: Array) -> Array:
            return v - shift * self.apply_table_transposed(table, v)

        return gmres(product, right, tolerance=self.tolerance)[0]


def operator_of_matrix(matrix: Any) -> ImplicitOperator:
    """The kind of operator that solves fastest for a matrix known in advance.

    Diagonal and circulant matrices are recognised; others are dense with a prefactored inverse up
    to 2,048 rows, then banded, then sparse. `words` of the result says which.

    Args:
        matrix: square, a NumPy array or a SciPy sparse matrix.
    """
    own: Any = scipy.sparse.coo_array(matrix)
    own.sum_duplicates()
    size = own.shape[0]
    if own.shape != (size, size):
        raise ValueError(f"a linear part is a square matrix, not of shape {own.shape}")
    largest = float(np.max(np.abs(own.data), initial=0.0))
    seen = np.abs(own.data) > ROUNDING * largest
    rows, columns, data = own.row[seen], own.col[seen], own.data[seen].astype(float)
    offsets = columns.astype(int) - rows
    if not np.any(offsets):
        diagonal = np.zeros(size)
        diagonal[rows] = data
        return DiagonalOperator(diagonal)
    first = np.zeros(size)
    at_first = rows == 0
    first[columns[at_first]] = data[at_first]
    around = offsets % size
    if len(data) == size * int(at_first.sum()) and np.allclose(
        data, first[around], rtol=0, atol=ROUNDING * largest
    ):
        # Row 0 is w with (J u)_i = Σ_k w_k u_{i+k}: its symbol is the conjugate transform.
        symbol: Any = np.conj(np.fft.rfft(first))
        even = float(np.max(np.abs(symbol.imag))) <= ROUNDING * float(np.max(np.abs(symbol)))
        return FourierOperator(symbol.real.copy() if even else symbol, (size,))
    if size <= LARGEST_DENSE:
        dense = np.zeros((size, size))
        dense[rows, columns] = data
        return DenseOperator(dense)
    low, high = int(max(0, -offsets.min())), int(max(0, offsets.max()))
    if max(low, high) <= WIDEST_BAND:
        band = np.zeros((low + 1 + high, size))
        band[high - offsets, columns] = data
        return BandedOperator(band, low, high)
    return SparseOperator(data, rows, columns, size)
