"""Linear operators J of u' = G(t, u) + J u + b(t) for implicit and exponential steps in JAX.

States are rows: (batch, n), so that J acts as u Jᵀ and one factor serves the whole batch
(H. Zhang, Y. Liu and R. Maulik, "Semi-implicit neural ordinary differential equations", 2024,
equation 14). An operator has *values*: a table of numbers, or a function of the parameters that
gives one, so that J may be learned in part or as a whole. What the values are depends on the
kind:

- `DiagonalOperator`: the diagonal, () or (n,).
- `FourierOperator`: the symbol on the half spectrum of a periodic grid.
- `DenseOperator`: the matrix (n, n).

`implicit_sparse` adds banded, sparse and matrix-free ones.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from math import factorial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg
from jax import Array
from jax.typing import ArrayLike

__all__ = [
    "Combination",
    "DenseOperator",
    "DiagonalOperator",
    "FourierOperator",
    "ImplicitOperator",
    "stencil_operator",
]

#: φ functions that exponential methods use: φ0 = exp to φ3.
PHI_COUNT = 4
_CONTOUR = np.exp(2j * np.pi * (np.arange(64) + 0.5) / 64)


class Combination(eqx.Module):
    """Values fixed + Σ_k c_k(p) A_k, for instance ν A for an unknown diffusion ν.

    Attributes:
        coefficients: p -> (K,).
        terms: A_k, stacked along the first axis, each as the kind of operator has its values.
        fixed: of one A_k's shape, or 0.
    """

    coefficients: Callable[[Any], Array]
    terms: ArrayLike
    fixed: ArrayLike = 0.0

    def __call__(self, parameters: Any) -> Array:
        terms = jnp.asarray(self.terms)
        weights = jnp.asarray(self.coefficients(parameters)).astype(terms.real.dtype)
        return jnp.tensordot(weights, terms, axes=1) + self.fixed


class ImplicitOperator(eqx.Module):
    """J with its solves.

    Attributes:
        values: the numbers of J, or a function of the parameters that gives them.
        stored: factors made in advance by `prefactored`, by their shift.
    """

    values: eqx.AbstractVar[Any]
    stored: eqx.AbstractVar[dict[float, Any]]

    def table(self, parameters: Any) -> Any:
        """The numbers of J at given parameters."""
        return self.values(parameters) if callable(self.values) else self.values

    @property
    def learned(self) -> bool:
        """Whether J depends on parameters."""
        return callable(self.values)

    @property
    @abstractmethod
    def words(self) -> str:
        """What the solves are, for reports."""

    @abstractmethod
    def apply_table(self, table: Any, state: Array) -> Array:
        """J u for every row, (batch, n)."""

    def apply_table_transposed(self, table: Any, state: Array) -> Array:
        """Jᵀ w for every row."""
        transposed = jax.linear_transpose(lambda u: self.apply_table(table, u), state)
        return transposed(state)[0]

    @abstractmethod
    def make_factor(self, table: Any, shift: Any) -> Any:
        """What solves with I − shift J need, as a pytree of arrays."""

    @abstractmethod
    def solve_factor(self, factor: Any, right: Array) -> Array:
        """(I − shift J)⁻¹ r for every row."""

    @abstractmethod
    def solve_factor_transposed(self, factor: Any, right: Array) -> Array:
        """(I − shift J)⁻ᵀ r for every row."""

    def phi_tables(self, table: Any, dt: Any) -> tuple[Any, ...]:
        """φ0 = exp, φ1, φ2, φ3 of Δt J, for `apply_phi`; differentiable in the table."""
        del table, dt
        raise TypeError(f"{type(self).__name__} has no φ functions")

    def apply_phi(self, function: Any, state: Array) -> Array:
        """φ_k(Δt J) u for every row."""
        del function, state
        raise TypeError(f"{type(self).__name__} has no φ functions")

    @property
    def has_phi(self) -> bool:
        """Whether exponential methods can use this operator."""
        return type(self).phi_tables is not ImplicitOperator.phi_tables

    @property
    def solves_by_products(self) -> bool:
        """Whether a solve is a product with what is kept, hardly dearer than one with J."""
        return False

    # -- what users and other modules call -------------------------------------------------

    def factor(self, table: Any, shift: Any) -> Any:
        """A stored factor, or a new one."""
        if isinstance(shift, float) and shift in self.stored:
            return self.stored[shift]
        return self.make_factor(table, shift)

    def prefactored(self, shifts: tuple[float, ...], parameters: Any = None) -> ImplicitOperator:
        """The operator with factors for these shifts kept, to be given to jitted functions.

        Raises:
            ValueError: for an operator that depends on parameters, whose factors would be stale.
        """
        if self.learned:
            raise ValueError("an operator that depends on parameters cannot be factored in advance")
        table = self.table(parameters)
        stored = {float(shift): self.make_factor(table, float(shift)) for shift in shifts}
        return eqx.tree_at(
            lambda o: o.stored, self, stored, is_leaf=lambda leaf: isinstance(leaf, dict)
        )

    def apply(self, parameters: Any, state: Array) -> Array:
        """J(p) u for every row of (batch, n)."""
        return self.apply_table(self.table(parameters), state)

    def solve(self, parameters: Any, shift: Any, right: Array) -> Array:
        """U with U − shift J(p) U = r, for every row."""
        return self.solve_factor(self.factor(self.table(parameters), shift), right)

    def solve_transposed(self, parameters: Any, shift: Any, right: Array) -> Array:
        """W with W − shift J(p)ᵀ W = r, for every row."""
        return self.solve_factor_transposed(self.factor(self.table(parameters), shift), right)


def _real(table: Any) -> Any:
    """A table as an array of the default precision; NumPy tables stay in double precision."""
    return table if isinstance(table, np.ndarray) else jnp.asarray(table)


def _library(*values: Any) -> Any:
    """NumPy for numbers known in advance, in double precision; JAX for traced ones."""
    return jnp if any(isinstance(value, jax.Array) for value in values) else np


def _like(table: Any, state: Array) -> Array:
    """A table in the precision of the state."""
    kind = jnp.result_type(state.dtype, jnp.complex64)
    return jnp.asarray(table).astype(kind if np.iscomplexobj(table) else state.dtype)


def phi_of_diagonal(z: Any) -> tuple[Any, ...]:
    """φ0 to φ3 of the entries of a diagonal matrix, φ_k(z) = (φ_{k−1}(z) − 1/(k−1)!)/z.

    The quotients lose all digits near zero; they are means over a circle around z instead
    (A.-K. Kassam and L. N. Trefethen, SIAM J. Sci. Comput. 26, 2005, section 2).
    """
    xp = _library(z)
    real = not xp.iscomplexobj(z)
    # Points below the real axis are the conjugates of those above.
    circle = _CONTOUR[: len(_CONTOUR) // 2] if real else _CONTOUR

    def add(totals: Any, shift: Any) -> tuple[Any, None]:
        w = z + shift
        value = xp.exp(w)
        found = []
        for k in range(1, PHI_COUNT):
            value = (value - 1.0 / factorial(k - 1)) / w
            found.append(totals[k - 1] + (value.real if real else value) / len(circle))
        return tuple(found), None

    totals: Any = (xp.zeros_like(z),) * (PHI_COUNT - 1)
    if xp is np:
        for shift in circle:
            totals, _ = add(totals, shift)
    else:
        kind = jnp.result_type(z.dtype, jnp.complex64)
        totals, _ = jax.lax.scan(add, totals, jnp.asarray(circle).astype(kind))
    return (xp.exp(z), *totals)


def phi_of_matrix(matrix: Any) -> tuple[Any, ...]:
    """φ0 to φ3 of matrices (…, n, n), from the exponential of a block matrix.

    The first row of blocks of exp([[Z, I, 0, 0], [0, 0, I, 0], [0, 0, 0, I], [0, 0, 0, 0]]) is
    (exp Z, φ1, φ2, φ3) (R. B. Sidje, ACM Trans. Math. Softw. 24, 1998, theorem 1).
    """
    size = matrix.shape[-1]
    xp = _library(matrix)
    zero = xp.zeros_like(matrix)
    unit = zero + xp.eye(size, dtype=matrix.dtype)
    rows = [[matrix, unit, zero, zero], [zero, zero, unit, zero]]
    rows += [[zero, zero, zero, unit], [zero] * 4]
    big = xp.concatenate([xp.concatenate(row, axis=-1) for row in rows], axis=-2)
    whole = scipy.linalg.expm(big) if xp is np else jax.scipy.linalg.expm(big, max_squarings=48)
    return tuple(whole[..., :size, k * size : (k + 1) * size] for k in range(PHI_COUNT))


class DiagonalOperator(ImplicitOperator):
    """J = diag(values); values (n,) or one number."""

    values: Any
    stored: dict[float, Any] = eqx.field(default_factory=dict, kw_only=True)

    @property
    def words(self) -> str:
        return "diagonal"

    @property
    def solves_by_products(self) -> bool:
        return True

    def apply_table(self, table: Any, state: Array) -> Array:
        return state * _like(table, state)

    def apply_table_transposed(self, table: Any, state: Array) -> Array:
        return self.apply_table(table, state)

    def make_factor(self, table: Any, shift: Any) -> Any:
        return 1.0 / (1.0 - shift * _real(table))

    def solve_factor(self, factor: Any, right: Array) -> Array:
        return right * _like(factor, right)

    def solve_factor_transposed(self, factor: Any, right: Array) -> Array:
        return self.solve_factor(factor, right)

    def phi_tables(self, table: Any, dt: Any) -> tuple[Any, ...]:
        return phi_of_diagonal(dt * _real(table))

    def apply_phi(self, function: Any, state: Array) -> Array:
        return state * _like(function, state)


class FourierOperator(ImplicitOperator):
    """A translation-invariant J on a periodic grid, through its symbol.

    A state row holds `fields` fields one after the other, each on the grid in C order.

    Attributes:
        values: symbol on the half spectrum of `numpy.fft.rfftn`: (*half,) for one field,
            (fields, fields, *half) for several; real where J is symmetric.
        grid: points along each axis.
        fields: number of fields.
    """

    values: Any
    grid: tuple[int, ...] = eqx.field(static=True)
    fields: int = eqx.field(static=True, default=1)
    stored: dict[float, Any] = eqx.field(default_factory=dict, kw_only=True)

    @property
    def words(self) -> str:
        size = " × ".join(str(n) for n in self.grid)
        kind = "circulant" if len(self.grid) == 1 else "block-circulant"
        blocks = "" if self.fields == 1 else f", blocks of {self.fields}"
        return f"{kind}, diagonal in Fourier space on {size} points{blocks}"

    def _multiply(self, table: Array, state: Array, *, transposed: bool = False) -> Array:
        axes = tuple(range(-len(self.grid), 0))
        rows = state.reshape(-1, self.fields, *self.grid)
        modes = jnp.fft.rfftn(rows, axes=axes)
        if transposed and jnp.iscomplexobj(table):
            table = jnp.conj(table)
        if self.fields == 1:
            modes = modes * table
        else:
            product = "gf...,bg...->bf..." if transposed else "fg...,bg...->bf..."
            modes = jnp.einsum(product, table, modes)
        values = jnp.fft.irfftn(modes, s=self.grid, axes=axes)
        return values.reshape(state.shape)

    @property
    def solves_by_products(self) -> bool:
        return True

    def apply_table(self, table: Any, state: Array) -> Array:
        return self._multiply(_like(table, state), state)

    def apply_table_transposed(self, table: Any, state: Array) -> Array:
        return self._multiply(_like(table, state), state, transposed=True)

    def _by_mode(self, table: Any, function: Callable[[Any], Any]) -> Any:
        """A function of the small matrices of every mode."""
        found = function(_library(table).moveaxis(table, (0, 1), (-2, -1)))
        return jax.tree.map(lambda f: _library(f).moveaxis(f, (-2, -1), (0, 1)), found)

    def make_factor(self, table: Any, shift: Any) -> Any:
        table = _real(table)
        if self.fields == 1:
            return 1.0 / (1.0 - shift * table)

        def inverse(matrix: Any) -> Any:
            moved = -shift * matrix
            return _library(moved).linalg.inv(moved + np.eye(self.fields, dtype=moved.dtype))

        return self._by_mode(table, inverse)

    def solve_factor(self, factor: Any, right: Array) -> Array:
        return self._multiply(_like(factor, right), right)

    def solve_factor_transposed(self, factor: Any, right: Array) -> Array:
        return self._multiply(_like(factor, right), right, transposed=True)

    def phi_tables(self, table: Any, dt: Any) -> tuple[Any, ...]:
        table = dt * _real(table)
        if self.fields == 1:
            return phi_of_diagonal(table)
        return self._by_mode(table, phi_of_matrix)

    def apply_phi(self, function: Any, state: Array) -> Array:
        return self._multiply(_like(function, state), state)


def stencil_operator(
    offsets: tuple[tuple[int, ...], ...],
    weights: ArrayLike | Sequence[float] | Callable[[Any], Array],
    grid: tuple[int, ...],
) -> FourierOperator:
    """The operator (J u)_i = Σ_k w_k u_{i + o_k} on a periodic grid of one field.

    The symbol Σ_k w_k exp(i θ·o_k) is computed in double precision (W. F. Ames, *Numerical
    Methods for Partial Differential Equations*, section 2); it is real for symmetric stencils.

    Args:
        offsets: o_k, one number for each axis.
        weights: (K,), or a function of the parameters that gives them.
        grid: points along each axis.
    """
    half = (*grid[:-1], grid[-1] // 2 + 1)
    angles = [2 * np.pi * np.arange(m) / n for m, n in zip(half, grid, strict=True)]
    mesh = np.meshgrid(*angles, indexing="ij")
    phases = np.stack(
        [np.exp(1j * sum(o * theta for o, theta in zip(k, mesh, strict=True))) for k in offsets]
    )
    if callable(weights):
        return FourierOperator(Combination(weights, phases), grid)
    symbol: Any = np.tensordot(np.asarray(weights, float), phases, axes=1)
    size = float(np.max(np.abs(symbol)))
    if float(np.max(np.abs(symbol.imag))) <= 1e-14 * size:
        symbol = symbol.real.copy()
    return FourierOperator(symbol, grid)


class DenseOperator(ImplicitOperator):
    """Any J as a matrix (n, n), solved by the inverse of I − shift J, one for each shift."""

    values: Any
    stored: dict[float, Any] = eqx.field(default_factory=dict, kw_only=True)

    @property
    def words(self) -> str:
        return "dense, one prefactored inverse for each shift"

    @property
    def solves_by_products(self) -> bool:
        return True

    def apply_table(self, table: Any, state: Array) -> Array:
        return state @ _like(table, state).T

    def apply_table_transposed(self, table: Any, state: Array) -> Array:
        return state @ _like(table, state)

    def make_factor(self, table: Any, shift: Any) -> Any:
        table = _real(table)
        moved = -shift * table
        return _library(moved).linalg.inv(moved + np.eye(len(table), dtype=moved.dtype))

    def solve_factor(self, factor: Any, right: Array) -> Array:
        return right @ _like(factor, right).T

    def solve_factor_transposed(self, factor: Any, right: Array) -> Array:
        return right @ _like(factor, right)

    def phi_tables(self, table: Any, dt: Any) -> tuple[Any, ...]:
        return phi_of_matrix(dt * _real(table))

    def apply_phi(self, function: Any, state: Array) -> Array:
        return state @ _like(function, state).T
