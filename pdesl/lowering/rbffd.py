"""Weights of RBF-FD formulas for any linear differential operator on scattered nodes.

A linear operator is a mapping from multi-indices α to coefficients c_α, each a number or one
value per centre:  (L u)(x) = Σ_α c_α(x) ∂^α u(x).  The weights w of its formula at a centre x,
on the n nodes s_j next to x, solve

    [ A   P ] [ w ]   [ L φ(‖x − s_j‖) ]        φ(r) = r^m,     A_ij = φ(‖s_i − s_j‖),
    [ Pᵀ  0 ] [ λ ] = [ L q_k(x)       ],       q_k a basis of the polynomials up to degree ℓ,

so that Σ_j w_j u(s_j) = (L u)(x) for polynomials up to ℓ = p + θ − 1, and to O(h^p) for smooth
u, with θ the order of the highest derivative in L and n = 2·C(ℓ+d, d) + 1 nodes (more for ℓ ≤ 2,
see `stencil_nodes`).  Every stencil is shifted to its centre and scaled to the unit ball; all
operators that share a stencil share one factorisation.  NumPy and SciPy only, always in float64.

Sources: Sharma and Shankar (2022), section 2.2, equations (8) to (11); Bayona, Flyer, Fornberg
and Barnett, J. Comput. Phys. 332 (2017) 257 (polyharmonic splines with polynomials).
"""

from __future__ import annotations

import itertools
import math
import os
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numpy.polynomial import legendre
from scipy.sparse import csr_matrix
from threadpoolctl import threadpool_limits

from pdesl.diagnostics import SolverError
from pdesl.lowering.stencils import (
    FloatArray,
    misuse,
    nearest_nodes,
    period_lengths,
    unusable_stencil,
    wrap,
)

__all__ = [
    "KernelDerivatives",
    "LinearOperator",
    "MultiIndex",
    "Weights",
    "available_cores",
    "biharmonic",
    "default_exponent",
    "directional_derivative",
    "fill_kernel",
    "laplacian",
    "legendre_values",
    "make_weights",
    "polynomial_degree",
    "stencil_nodes",
    "to_csr",
    "total_degree",
]

MultiIndex = tuple[int, ...]
LinearOperator = Mapping[MultiIndex, float | FloatArray]

# Stencils are solved together in chunks whose matrices fill about this much memory: small
# enough to stay in the cache, large enough that NumPy's cost per call does not show.
_CHUNK_BYTES = 4_000_000
# Estimated condition number of a scaled stencil matrix beyond which no digit is left.
_UNUSABLE = 1e15


@dataclass(frozen=True, slots=True)
class Weights:
    """RBF-FD formulas: one row of nodes for every centre, one column of weights per operator.

    `indices` (N, n) int32 are the nodes of each stencil in ascending order; `values` (N, n, K)
    the weights of the K operators; `condition` (N,) an estimate of the condition number of each
    scaled stencil matrix (Frobenius norm, mostly within a factor of three); `radius` (N,) the
    distance from the centre to its farthest node; `columns` the number of nodes given; `order`
    p, polynomial `degree` ℓ and `exponent` m are those used.
    """

    indices: npt.NDArray[np.int32]
    values: FloatArray
    condition: FloatArray
    radius: FloatArray
    columns: int
    order: int
    degree: int
    exponent: int


def laplacian(dimension: int) -> dict[MultiIndex, float | FloatArray]:
    """Δ = Σ_i ∂_i² as a linear operator."""
    return {_multi_index(dimension, axis, axis): 1.0 for axis in range(dimension)}


def biharmonic(dimension: int) -> dict[MultiIndex, float | FloatArray]:
    """Δ² = Σ_ij ∂_i² ∂_j² as a linear operator."""
    terms: dict[MultiIndex, float | FloatArray] = {}
    for i, j in itertools.combinations_with_replacement(range(dimension), 2):
        terms[_multi_index(dimension, i, i, j, j)] = 1.0 if i == j else 2.0
    return terms


def directional_derivative(
    directions: npt.ArrayLike, value: float | FloatArray = 0.0, slope: float | FloatArray = 1.0
) -> dict[MultiIndex, float | FloatArray]:
    """value·u + slope·(direction · ∇u): the Robin operator when the directions are normals.

    `directions` (N, d) has one row per centre; `value` and `slope` are numbers or arrays (N,).
    """
    vectors = np.asarray(directions, dtype=np.float64)
    dimension = vectors.shape[1]
    terms: dict[MultiIndex, float | FloatArray] = {(0,) * dimension: value}
    for axis in range(dimension):
        terms[_multi_index(dimension, axis)] = slope * vectors[:, axis]
    return terms


def polynomial_degree(order: int, derivative_order: int) -> int:
    """ℓ = p + θ − 1, the degree that gives order p to a derivative of order θ."""
    return order + derivative_order - 1


def stencil_nodes(degree: int, dimension: int) -> int:
    """n = 2·C(ℓ + d, d) + 1, the number of nodes of a stencil; from two dimensions on at least
    3·C(2 + d, d) + 1.

    With ℓ ≤ 2 the smaller stencil leaves out nodes on one side where the nodes are uneven, as next
    to a boundary: the largest error of a first derivative or Robin row of order 2 then fell by
    order 1.3 to 1.8 on jittered nodes, by 2.0 with 19 nodes instead of 13, to less than a half.
    """
    size = 2 * math.comb(degree + dimension, dimension) + 1
    return size if dimension < 2 else max(size, 3 * math.comb(2 + dimension, dimension) + 1)


def default_exponent(degree: int, derivative_order: int) -> int:
    """m = min(2ℓ + 1, 11), raised to the first odd number above θ where that is less.

    2ℓ + 1 is the largest exponent for which r^m with polynomials up to ℓ always has a solution,
    and larger exponents measured better in every case, up to the rounding that condition
    numbers beyond 1e12 bring: hence the cap.  r^m and its derivatives up to θ must be
    continuous at r = 0, hence m > θ.
    """
    return max(min(2 * degree + 1, 11), derivative_order + 1 + derivative_order % 2)


def make_weights(
    points: npt.ArrayLike,
    centres: npt.ArrayLike,
    operators: Sequence[LinearOperator],
    *,
    order: int,
    degree: int | None = None,
    stencil_size: int | None = None,
    exponent: int | None = None,
    periods: Sequence[float | None] | None = None,
    threads: int | None = None,
) -> Weights:
    """Weights of linear operators at the centres, on the nodes nearest to each of them.

    Σ_j w_j u(s_j) = Σ_α c_α(x) ∂^α u(x), exactly for polynomials up to ℓ and to O(h^p) else.

    `points` (M, d), the nodes; `centres` (N, d), which need not be nodes; `operators`, K
    mappings from multi-indices (d entries) to a number or an array (N,).  A sum of terms is one
    operator; operators given together share stencils and factorisations, so that all of them
    take ℓ and n of the highest derivative among them.  `order` is p.
    `degree` ℓ is p + θ − 1 unless given, `stencil_size` n is `stencil_nodes(ℓ, d)`, `exponent` m is
    `default_exponent(ℓ, θ)`; m must be odd and θ < m ≤ 2ℓ + 1, because r^m is used with
    derivatives up to θ at r = 0, where they vanish only for m > θ.
    `periods`, one entry per direction, the length after which the nodes repeat or None.
    `threads` defaults to the cores available; the weights do not depend on it.

    Raises `SolverError`: E710, too few nodes for the order (the message says how many are
    needed); E711, two nodes at one place; E712, a stencil that is unusable, singular or
    with a condition number beyond 1e15, and its place; E713, arguments that do not fit together.

    Accuracy: polynomials up to ℓ to about 1e-12 of Σ_j |w_j|.  Source: Sharma and Shankar (2022),
    equations (8) to (11); ghost nodes are the caller's.
    """
    nodes, places = _as_nodes(points, "points"), _as_nodes(centres, "centres")
    count, dimension = places.shape
    terms = _Terms.make(operators, count, dimension)
    theta = terms.derivative_order
    ell = polynomial_degree(order, theta) if degree is None else degree
    powers = total_degree(ell, dimension)
    size = stencil_nodes(ell, dimension) if stencil_size is None else stencil_size
    m = default_exponent(ell, theta) if exponent is None else exponent
    _check_choice(nodes, places, order, theta, ell, m, size, len(powers))
    workers = threads or available_cores()
    lengths = period_lengths(periods, dimension)
    indices, radius = nearest_nodes(nodes, places, size, lengths, workers)

    at_zero = _polynomials_at_zero(terms.multi_indices, powers)
    system = _StencilSystem(nodes, places, lengths, indices, radius, terms, powers, at_zero, m)
    values = np.empty((count, size, len(operators)))
    condition = np.empty(count)
    rows = size + len(powers)
    chunk = max(1, min(count, _CHUNK_BYTES // (8 * rows * rows)))
    local = threading.local()

    def solve_chunk(start: int) -> None:
        if not hasattr(local, "workspace"):
            local.workspace = np.zeros((chunk, rows, rows)), np.empty((2, chunk, size, size))
        part = slice(start, min(start + chunk, count))
        values[part], condition[part] = system.solve(part, *local.workspace)

    # Threads of BLAS inside these threads slow stencils of 100 nodes and more tenfold.
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(workers) as pool:
        list(pool.map(solve_chunk, range(0, count, chunk)))
    worst = int(np.argmax(condition))
    if not condition[worst] < _UNUSABLE:
        raise system.unusable(worst, f"condition number about {condition[worst]:.1e}")
    return Weights(indices, values, condition, radius, len(nodes), order, ell, m)


def to_csr(weights: Weights, operator: int = 0, columns: int | None = None) -> csr_matrix:
    """The (N, columns) sparse matrix of one operator; `columns` defaults to the node count."""
    count, size = weights.indices.shape
    width = weights.columns if columns is None else columns
    if width < weights.columns:
        raise misuse(f"{width} columns cannot hold formulas on {weights.columns} nodes")
    starts = np.arange(0, count * size + 1, size, dtype=np.int32)
    data = np.ascontiguousarray(weights.values[:, :, operator]).ravel()
    matrix = csr_matrix((data, weights.indices.ravel(), starts), shape=(count, width))
    matrix.has_sorted_indices = True
    return matrix


@dataclass(frozen=True, slots=True)
class _Terms:
    """The distinct multi-indices of several operators, and which operator uses them how.

    `uses[i]` lists, for `multi_indices[i]`, pairs of an operator's number and its coefficient,
    a float or an array (N,).
    """

    multi_indices: tuple[MultiIndex, ...]
    uses: tuple[tuple[tuple[int, float | FloatArray], ...], ...]
    operators: int

    @classmethod
    def make(cls, operators: Sequence[LinearOperator], count: int, dimension: int) -> _Terms:
        uses: dict[MultiIndex, list[tuple[int, float | FloatArray]]] = {}
        for number, operator in enumerate(operators):
            for index, coefficient in operator.items():
                if len(index) != dimension or any(entry < 0 for entry in index):
                    raise misuse(f"{index} is not a multi-index in {dimension} dimensions")
                array = np.asarray(coefficient, dtype=np.float64)
                if array.shape not in ((), (count,)) or not np.all(np.isfinite(array)):
                    raise misuse(
                        f"the coefficient of {index} in operator {number} must be a finite "
                        f"number or an array of shape ({count},); its shape is {array.shape}"
                    )
                value = float(array) if array.ndim == 0 else array
                uses.setdefault(tuple(index), []).append((number, value))
        if not uses:
            raise misuse("there is no operator, or every operator is empty")
        return cls(tuple(uses), tuple(map(tuple, uses.values())), len(operators))

    @property
    def derivative_order(self) -> int:
        return max(map(sum, self.multi_indices))


@dataclass(frozen=True, slots=True)
class _StencilSystem:
    """Assembles and solves the scaled stencil matrices, one slice of the centres at a time."""

    nodes: FloatArray
    centres: FloatArray
    periods: FloatArray | None
    indices: npt.NDArray[np.int32]
    radius: FloatArray
    terms: _Terms
    powers: npt.NDArray[np.intp]
    at_zero: FloatArray
    exponent: int

    def solve(
        self, part: slice, matrix: FloatArray, kernel: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Weights (B, n, K) and condition estimates (B,) of a slice of B centres.

        `matrix` (≥ B, n+q, n+q), whose last q×q block is zero, and `kernel` (2, ≥ B, n, n) are
        workspaces: fresh arrays of this size cost a page fault per 4 kB.
        """
        radius = self.radius[part]
        offsets = self._offsets(part)
        offsets /= radius[:, None, None]
        batch, size, _ = offsets.shape
        matrix = matrix[:batch]
        fill_kernel(offsets, self.exponent, kernel[:, :batch], matrix[:, :size, :size])
        self._fill_polynomials(offsets, matrix)
        right = self._right_side(part, offsets, matrix.shape[1])
        try:
            solution = np.linalg.solve(matrix, right)
        except np.linalg.LinAlgError:
            ranks = np.linalg.matrix_rank(matrix)
            worst = part.start + int(np.argmin(ranks))
            raise self.unusable(worst, "singular matrix") from None
        flat, probe = matrix.reshape(batch, -1), solution[:, :, -1]
        # For a vector e of random signs E‖M⁻¹e‖² = ‖M⁻¹‖_F².
        condition: FloatArray = np.sqrt(np.vecdot(flat, flat) * np.vecdot(probe, probe))
        return np.asarray(solution[:, :size, :-1], np.float64), np.nan_to_num(condition, nan=np.inf)

    def unusable(self, number: int, reason: str) -> SolverError:
        offsets = self._offsets(slice(number, number + 1))[0]
        return unusable_stencil(self.centres[number], number, self.indices[number], offsets, reason)

    def _offsets(self, part: slice) -> FloatArray:
        offsets = self.nodes[self.indices[part]] - self.centres[part, None]
        if self.periods is not None:
            wrap(offsets, self.periods)
        return offsets

    def _fill_polynomials(self, offsets: FloatArray, matrix: FloatArray) -> None:
        size = offsets.shape[1]
        degree = int(self.powers.max())
        tables = [legendre_values(offsets[:, :, i], degree) for i in range(offsets.shape[2])]
        for row, powers in enumerate(self.powers, start=size):
            target = matrix[:, row, :size]
            target[...] = tables[0][powers[0]]
            for table, power in zip(tables[1:], powers[1:], strict=True):
                if power:
                    target *= table[power]
        matrix[:, :size, size:] = matrix[:, size:, :size].transpose(0, 2, 1)

    def _right_side(self, part: slice, offsets: FloatArray, rows: int) -> FloatArray:
        """Columns (B, n+q, K+1): the operators' right-hand sides, and random signs."""
        batch, size, _ = offsets.shape
        right = np.zeros((batch, rows, self.terms.operators + 1))
        right[:, :, -1] = np.random.default_rng(0).choice((-1.0, 1.0), rows)
        kernel = KernelDerivatives(offsets, self.exponent)
        for term, (index, uses) in enumerate(
            zip(self.terms.multi_indices, self.terms.uses, strict=True)
        ):
            derivative = kernel(index)
            scale = self.radius[part] ** -sum(index)
            for number, coefficient in uses:
                local = coefficient[part] if isinstance(coefficient, np.ndarray) else coefficient
                factor = (scale * local)[:, None]
                right[:, :size, number] += factor * derivative
                right[:, size:, number] += factor * self.at_zero[term]
        return right


class KernelDerivatives:
    """∂^α of r^m at the centre, for each node of each stencil.

    With e = x/r,  ∂^α r^m = r^(m−|α|) Σ_j (m/2)_k Π_i α_i!/(j_i! (α_i−2j_i)!) (2e_i)^(α_i−2j_i)
    over 0 ≤ 2j ≤ α, where k = |α| − |j| and (a)_k = a(a−1)…(a−k+1): the chain rule for
    f(r²) with f(s) = s^(m/2).  At r = 0 it is 0, since m > |α|.
    """

    def __init__(self, offsets: FloatArray, exponent: int):
        self.exponent = exponent
        self.distance = np.sqrt(np.einsum("bni,bni->bn", offsets, offsets))
        inverse = 1.0 / np.where(self.distance > 0, self.distance, np.inf)
        # The kernel at the centre x = 0 sees node s along x − s.
        self.doubled = [-2.0 * offsets[:, :, i] * inverse for i in range(offsets.shape[2])]

    def __call__(self, index: MultiIndex) -> FloatArray:
        total = np.zeros_like(self.distance)
        for halves in itertools.product(*(range(entry // 2 + 1) for entry in index)):
            term: float | FloatArray = _falling(self.exponent / 2, sum(index) - sum(halves))
            for axis, (entry, half) in enumerate(zip(index, halves, strict=True)):
                left = entry - 2 * half
                term = term * (
                    math.factorial(entry) / (math.factorial(half) * math.factorial(left))
                )
                if left:
                    term = term * self.doubled[axis] ** left
            total += term
        return total * self.distance ** (self.exponent - sum(index))


def _falling(value: float, factors: int) -> float:
    return math.prod(value - i for i in range(factors))


def fill_kernel(
    offsets: FloatArray, exponent: int, workspace: FloatArray, target: FloatArray
) -> None:
    """‖s_i − s_j‖^m for odd m, by one product [s, |s|², 1]·[−2s, 1, |s|²]ᵀ per stencil.

    The squared distances carry an absolute error of a few ulp of the unit radius, a backward
    error of the same size as the factorisation's.
    """
    batch, size, dimension = offsets.shape
    left = np.ones((batch, size, dimension + 2))
    right = np.ones((batch, dimension + 2, size))
    norm = np.einsum("bni,bni->bn", offsets, offsets)
    left[:, :, :dimension], left[:, :, dimension] = offsets, norm
    right[:, :dimension], right[:, dimension + 1] = -2.0 * offsets.transpose(0, 2, 1), norm
    squared, power = workspace
    np.matmul(left, right, out=squared)
    diagonal = np.arange(size)
    squared[:, diagonal, diagonal] = 0.0
    np.abs(squared, out=squared)  # rounding may leave a tiny negative number
    np.sqrt(squared, out=power)
    for _ in range(exponent // 2 - 1):
        power *= squared
    np.multiply(power, squared if exponent > 1 else 1.0, out=target)


def legendre_values(coordinate: FloatArray, degree: int) -> list[FloatArray]:
    """P_0 to P_ℓ at an array of coordinates, by the three-term recurrence."""
    values = [np.ones_like(coordinate), coordinate]
    for k in range(1, degree):
        values.append(((2 * k + 1) * coordinate * values[k] - k * values[k - 1]) / (k + 1))
    return values[: degree + 1]


def _polynomials_at_zero(
    multi_indices: tuple[MultiIndex, ...], powers: npt.NDArray[np.intp]
) -> FloatArray:
    """Table (multi-indices, q) of the derivatives at 0 of the products of Legendre polynomials."""
    degree, highest = int(powers.max()), max(map(max, multi_indices))
    single = np.zeros((highest + 1, degree + 1))
    for a, k in itertools.product(range(highest + 1), range(degree + 1)):
        single[a, k] = legendre.legval(0.0, legendre.legder([0.0] * k + [1.0], a))
    table = np.ones((len(multi_indices), len(powers)))
    for row, index in zip(table, multi_indices, strict=True):
        for axis, entry in enumerate(index):
            row *= single[entry][powers[:, axis]]
    return table


def total_degree(degree: int, dimension: int) -> npt.NDArray[np.intp]:
    """All powers (q, d) of total degree up to ℓ, q = C(ℓ + d, d), by degree."""
    powers = [p for p in itertools.product(range(degree + 1), repeat=dimension) if sum(p) <= degree]
    return np.array(sorted(powers, key=sum), dtype=np.intp).reshape(-1, dimension)


def _as_nodes(array: npt.ArrayLike, name: str) -> FloatArray:
    nodes = np.ascontiguousarray(array, dtype=np.float64)
    if nodes.ndim != 2 or 0 in nodes.shape:
        raise misuse(f"{name} must have the shape (count, dimension), not {nodes.shape}")
    if not np.all(np.isfinite(nodes)):
        raise misuse(f"{name} hold a coordinate that is not finite")
    return nodes


def _check_choice(
    nodes: FloatArray,
    centres: FloatArray,
    order: int,
    theta: int,
    degree: int,
    m: int,
    size: int,
    polynomials: int,
) -> None:
    dimension = centres.shape[1]
    if nodes.shape[1] != dimension:
        raise misuse(f"points have {nodes.shape[1]} coordinates, centres have {dimension}")
    if order < 1 or degree < theta:
        raise misuse(
            f"order {order} with polynomials up to degree {degree} cannot represent a "
            f"derivative of order {theta}"
        )
    if m % 2 == 0 or m <= theta or m > 2 * degree + 1:
        raise misuse(
            f"the exponent {m} must be odd, above the derivative order {theta} and at most "
            f"{2 * degree + 1} with polynomials up to degree {degree}"
        )
    if size < polynomials:
        raise misuse(
            f"a stencil of {size} nodes is smaller than the {polynomials} polynomials up to "
            f"degree {degree} in {dimension} dimensions"
        )
    if len(nodes) < size:
        raise SolverError(
            f"order {order} for a derivative of order {theta} in {dimension} dimensions needs "
            f"at least {size} nodes; there are {len(nodes)}",
            code="E710",
            advice="use more nodes, or a lower order",
        )


def _multi_index(dimension: int, *axes: int) -> MultiIndex:
    return tuple(axes.count(axis) for axis in range(dimension))


def available_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
