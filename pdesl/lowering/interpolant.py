"""Nodal values as a function of the place: one local interpolant for each node.

With c a node, ρ the radius of its stencil of n nodes s_j, and ξ = (x − c)/ρ,

    s(x) = Σ_j a_j ‖ξ − (s_j − c)/ρ‖^m  +  Σ_k b_k q_k(ξ),
    s(s_j) = u_j,   Σ_j a_j q_k((s_j − c)/ρ) = 0,

with q_k the polynomials up to degree ℓ. A point takes the interpolant of the node next to it, so
that it lies in the middle of the stencil; s is accurate to O(h^(ℓ+1)), its derivatives of order θ
to O(h^(ℓ+1−θ)), and jumps by so much where the nearest node changes. The coefficients of a node
are computed when a point first needs them, for all fields together, and kept.

Source: Bayona, Flyer, Fornberg and Barnett, J. Comput. Phys. 332 (2017) 257, section 2.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from numpy.polynomial import legendre
from scipy.spatial import KDTree
from threadpoolctl import threadpool_limits

from pdesl.diagnostics import SolverError
from pdesl.lowering.rbffd import (
    KernelDerivatives,
    MultiIndex,
    available_cores,
    default_exponent,
    fill_kernel,
    legendre_values,
    stencil_nodes,
    total_degree,
)
from pdesl.lowering.stencils import (
    FloatArray,
    into_box,
    misuse,
    nearest_nodes,
    period_lengths,
    unusable_stencil,
    wrap,
)

__all__ = ["NodalInterpolant"]

IntArray = npt.NDArray[np.integer[Any]]

# Memory of the matrices of a batch of stencils, and points evaluated together: both small
# enough to stay in the cache.
STENCIL_BYTES = 4_000_000
POINTS = 2048


class NodalInterpolant:
    """Interpolates the values of several fields (F, M) at nodes (M, d)."""

    def __init__(
        self,
        points: FloatArray,
        values: FloatArray,
        *,
        degree: int,
        centres: int | None = None,
        periods: Sequence[float | None] | None = None,
    ):
        """Prepare the interpolant; nothing is solved yet.

        Args:
            points: the nodes (M, d).
            values: of F fields at the nodes (F, M).
            degree: ℓ, of the polynomials.
            centres: the first so many nodes have interpolants (default: all). Ghost nodes,
                whose stencils would be one-sided, come last and are left out.
            periods: the period of every direction, None where it is not periodic.

        Raises:
            SolverError: E713 arrays that do not fit together, E710 fewer nodes than a stencil.
        """
        self.points = np.ascontiguousarray(points, dtype=np.float64)
        self.values = np.ascontiguousarray(values, dtype=np.float64)
        count, dimension = self.points.shape
        if self.values.ndim != 2 or self.values.shape[1] != count:
            raise misuse(f"values of shape {self.values.shape} for {count} nodes")
        self.degree = degree
        self.size = stencil_nodes(degree, dimension)
        if count < self.size:
            raise SolverError(
                f"interpolation with polynomials up to degree {degree} needs at least "
                f"{self.size} nodes; there are {count}",
                code="E710",
                advice="use more nodes, or a lower order",
            )
        self.exponent = default_exponent(degree, 0)
        self.powers = total_degree(degree, dimension)
        self.centres = count if centres is None else centres
        self.lengths = period_lengths(periods, dimension)
        self._find = self._tree()
        # Position of a node's coefficients in the tables below, -1 where it has none yet.
        self._slot = np.full(self.centres, -1)
        self._indices = np.empty((0, self.size), dtype=np.int32)
        self._radius = np.empty(0)
        self._coefficients = np.empty((0, self.size + len(self.powers), len(self.values)))

    def __call__(self, places: FloatArray, derivative: MultiIndex | None = None) -> FloatArray:
        """Values (F, n) at places (n, d), or those of the derivative ∂^α given by d entries.

        Raises:
            SolverError: E713 a derivative of another dimension or beyond the kernel's
                smoothness, E712 a stencil that is unusable.
        """
        places = np.ascontiguousarray(places, dtype=np.float64)
        dimension = self.points.shape[1]
        alpha = (0,) * dimension if derivative is None else tuple(derivative)
        if len(alpha) != dimension or min(alpha) < 0 or sum(alpha) >= self.exponent:
            raise misuse(
                f"{alpha} is no derivative of an interpolant in {dimension} dimensions with "
                f"kernel r^{self.exponent}"
            )
        owners = self._find(places)
        wanted = np.unique(owners)
        self._prepare(wanted[self._slot[wanted] < 0])
        slots = self._slot[owners]
        # Points of one node side by side: its coefficients are then read once.
        ranked = np.argsort(slots, kind="stable")
        found = np.empty((len(self.values), len(places)))

        def evaluate(start: int) -> None:
            part = ranked[start : start + POINTS]
            found[:, part] = self._evaluate(places[part], owners[part], slots[part], alpha)

        starts = range(0, len(places), POINTS)
        with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(available_cores()) as pool:
            list(pool.map(evaluate, starts))
        return found

    def arrays(self) -> dict[str, FloatArray]:
        """What `rebuild` makes the interpolant of again, with `degree` and `centres`.

        `points` (M, d), `values` (F, M), and `periods` (d,), infinite where there is none.
        """
        lengths = np.full(self.points.shape[1], np.inf) if self.lengths is None else self.lengths
        return {"points": self.points, "values": self.values, "periods": lengths}

    @classmethod
    def rebuild(cls, arrays: Mapping[str, FloatArray], *, degree: int, centres: int) -> Self:
        """The interpolant of `arrays`, as a result file holds them."""
        return cls(
            arrays["points"],
            arrays["values"],
            degree=degree,
            centres=centres,
            periods=[float(p) if np.isfinite(p) else None for p in arrays["periods"]],
        )

    def _tree(self) -> Callable[[FloatArray], IntArray]:
        points = self.points[: self.centres]
        if self.lengths is None:
            plain: Any = KDTree(points)
            return lambda places: np.asarray(plain.query(places, workers=-1)[1])
        lengths = self.lengths
        box = np.where(np.isfinite(lengths), lengths, 0.0)
        tree: Any = KDTree(into_box(points, lengths), boxsize=box)
        return lambda places: np.asarray(tree.query(into_box(places, lengths), workers=-1)[1])

    def _prepare(self, nodes: IntArray) -> None:
        """Coefficients of more nodes."""
        if not len(nodes):
            return
        cores = available_cores()
        indices, radius = nearest_nodes(
            self.points, self.points[nodes], self.size, self.lengths, cores
        )
        rows = self.size + len(self.powers)
        solved = np.empty((len(nodes), rows, len(self.values)))
        batch = max(1, min(len(nodes), STENCIL_BYTES // (8 * rows * rows)))
        local = threading.local()

        def solve(start: int) -> None:
            if not hasattr(local, "workspace"):
                kernel = np.empty((2, batch, self.size, self.size))
                local.workspace = np.zeros((batch, rows, rows)), kernel
            matrix, kernel = local.workspace
            part = slice(start, min(start + batch, len(nodes)))
            count = part.stop - start
            offsets = self.points[indices[part]] - self.points[nodes[part], None]
            if self.lengths is not None:
                wrap(offsets, self.lengths)
            offsets /= radius[part, None, None]
            matrix = matrix[:count]
            fill_kernel(
                offsets, self.exponent, kernel[:, :count], matrix[:, : self.size, : self.size]
            )
            table = self._polynomials(offsets, (0,) * offsets.shape[2])
            matrix[:, : self.size, self.size :] = table
            matrix[:, self.size :, : self.size] = table.transpose(0, 2, 1)
            right = np.zeros((count, rows, len(self.values)))
            right[:, : self.size] = self.values[:, indices[part]].transpose(1, 2, 0)
            try:
                solved[part] = np.linalg.solve(matrix, right)
            except np.linalg.LinAlgError:
                worst = int(np.argmin(np.linalg.matrix_rank(matrix)))
                centre = self.points[nodes[start + worst]]
                raise unusable_stencil(
                    centre,
                    int(nodes[start + worst]),
                    indices[start + worst],
                    offsets[worst] * radius[start + worst],
                    "singular matrix",
                ) from None

        with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(cores) as pool:
            list(pool.map(solve, range(0, len(nodes), batch)))
        self._slot[nodes] = len(self._radius) + np.arange(len(nodes))
        self._indices = np.concatenate([self._indices, indices])
        self._radius = np.concatenate([self._radius, radius])
        self._coefficients = np.concatenate([self._coefficients, solved])

    def _evaluate(
        self, places: FloatArray, owners: IntArray, slots: IntArray, alpha: MultiIndex
    ) -> FloatArray:
        radius = self._radius[slots]
        # From each place to the nodes of its stencil, and to its centre: places vary, not nodes.
        offsets = self.points[self._indices[slots]] - places[:, None]
        inner = places - self.points[owners]
        if self.lengths is not None:
            wrap(offsets, self.lengths)
            wrap(inner, self.lengths)
        offsets /= radius[:, None, None]
        inner /= radius[:, None]
        if any(alpha):
            kernel = KernelDerivatives(offsets, self.exponent)(alpha)
        else:
            squared = np.einsum("bni,bni->bn", offsets, offsets)
            kernel = np.sqrt(squared)
            for _ in range(self.exponent // 2):
                kernel *= squared
        basis = np.concatenate([kernel, self._polynomials(inner[:, None], alpha)[:, 0]], axis=1)
        found = np.einsum("bn,bnf->fb", basis, self._coefficients[slots])
        return found / radius ** sum(alpha)

    def _polynomials(self, offsets: FloatArray, alpha: MultiIndex) -> FloatArray:
        """∂^α of the products of Legendre polynomials at offsets (B, n, d): (B, n, q)."""
        tables = []
        for axis, entry in enumerate(alpha):
            coordinate = offsets[:, :, axis]
            if not entry:
                tables.append(legendre_values(coordinate, self.degree))
                continue
            identity = np.eye(self.degree + 1)
            tables.append(
                [legendre.legval(coordinate, legendre.legder(c, entry)) for c in identity]
            )
        table = np.empty((*offsets.shape[:2], len(self.powers)))
        for column, powers in enumerate(self.powers):
            table[:, :, column] = tables[0][powers[0]]
            for own, power in zip(tables[1:], powers[1:], strict=True):
                table[:, :, column] *= own[power]
        return table
