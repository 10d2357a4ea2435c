"""Where a semi-discrete system lives: nodes, matrices of spatial operators, interpolation.

A `NodalSpace` is an RBF-FD cloud (any region, up to three dimensions), a tensor grid (a box), a
graph, or one node without coordinates (a problem in time alone). Its nodes are in the order
interior, boundary, ghost; a field is an array (M,).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import scipy.sparse

from pdesl.lowering.cloud import Cloud
from pdesl.lowering.differences import derivative_matrix
from pdesl.lowering.rbffd import make_weights, to_csr

if TYPE_CHECKING:
    from pdesl.symbolic.geometry import Graph, Region

__all__ = [
    "GraphSpace",
    "GridSpace",
    "NodalSpace",
    "PointSpace",
    "RbfSpace",
    "SpaceOperator",
    "make_graph",
    "make_grid",
    "make_point",
]

SpaceOperator = Mapping[tuple[int, ...], float | np.ndarray]

# Points interpolated with one batch of local systems.
INTERPOLATION_CHUNK = 8192


class NodalSpace(Protocol):
    """Nodes with operators on them."""

    @property
    def cloud(self) -> Cloud: ...

    @property
    def points(self) -> np.ndarray:
        """Nodes (M, d): interior, boundary, and the ghosts that are in use."""
        ...

    def operators(self, centres: np.ndarray, terms: Sequence[SpaceOperator]) -> list[Any]:
        """Σ_α c_α ∂^α at some of the nodes, each a sparse matrix (n, M).

        `centres` (n,) are positions of nodes; coefficients are numbers or arrays (n,).
        """
        ...

    def interpolation(self, places: np.ndarray) -> Any:
        """A sparse matrix (n, M) that gives values at any places (n, d) of the region."""
        ...

    def without_ghosts(self) -> NodalSpace:
        """The same without its ghosts, to interpolate what is known at the other nodes alone."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class RbfSpace:
    """Scattered nodes with RBF-FD operators of one order of accuracy.

    `ghosts` are the positions, among the cloud's ghosts, of those in use.
    """

    cloud: Cloud
    order: int
    periods: Sequence[float | None] | None
    ghosts: np.ndarray

    @property
    def points(self) -> np.ndarray:
        return np.concatenate([self.cloud.evaluation, self.cloud.ghost[self.ghosts]])

    def without_ghosts(self) -> RbfSpace:
        return RbfSpace(self.cloud, self.order, self.periods, np.zeros(0, dtype=int))

    def from_inside(self, places: np.ndarray) -> scipy.sparse.csr_matrix:
        """Values at places (n, d) from those at the interior nodes, a matrix (n, M)."""
        count, none = len(self.cloud.interior), np.zeros(0, dtype=int)
        empty = self.cloud.boundary[:0]
        inner = replace(
            self.cloud, boundary=empty, normals=empty, ghost=empty, part=none,
            spacing=self.cloud.spacing[:count],
        )  # fmt: skip
        # Extrapolation of a high degree would take rounding for a slope.
        order = max(self.order - 1, 1)
        own = RbfSpace(inner, order, self.periods, none).interpolation(places)
        own.resize((len(places), len(self.points)))
        return own

    def operators(
        self, centres: np.ndarray, terms: Sequence[SpaceOperator]
    ) -> list[scipy.sparse.csr_matrix]:
        if not terms or not len(centres):
            return [scipy.sparse.csr_matrix((len(centres), len(self.points))) for _ in terms]
        points = self.points
        made = make_weights(points, points[centres], terms, order=self.order, periods=self.periods)
        return [to_csr(made, k, len(points)) for k in range(len(terms))]

    def interpolation(self, places: np.ndarray) -> scipy.sparse.csr_matrix:
        points = self.points
        parts: Any = []
        for start in range(0, len(places), INTERPOLATION_CHUNK):
            made = make_weights(
                points,
                places[start : start + INTERPOLATION_CHUNK],
                [{(0,) * points.shape[1]: 1.0}],
                order=self.order + 1,
                periods=self.periods,
            )
            parts.append(to_csr(made, 0, len(points)))
        whole: Any = scipy.sparse.vstack(parts, format="csr")
        return whole


@dataclass(frozen=True, slots=True, eq=False)
class PointSpace:
    """One node without coordinates, on which there are values and no derivatives."""

    cloud: Cloud

    @property
    def points(self) -> np.ndarray:
        return self.cloud.evaluation

    def without_ghosts(self) -> PointSpace:
        return self

    def operators(
        self, centres: np.ndarray, terms: Sequence[SpaceOperator]
    ) -> list[scipy.sparse.csr_matrix]:
        sums = (sum(np.broadcast_to(c, len(centres)) for c in t.values()) for t in terms)
        return [scipy.sparse.csr_matrix(np.reshape(total, (-1, 1))) for total in sums]

    def interpolation(self, places: np.ndarray) -> scipy.sparse.csr_matrix:
        return scipy.sparse.csr_matrix(np.ones((len(places), 1)))


def make_point() -> PointSpace:
    """The space of a problem in time alone."""
    none, place = np.zeros((0, 0)), np.zeros((1, 0))
    return PointSpace(Cloud(place, none, none, none, np.zeros(0, int), (), np.ones(1), ()))


@dataclass(frozen=True, slots=True, eq=False)
class GraphSpace:
    """The nodes of a graph, at which jets of order 2k are powers of its Laplacian."""

    cloud: Cloud
    graph: Graph

    @property
    def points(self) -> np.ndarray:
        return self.cloud.evaluation

    def without_ghosts(self) -> GraphSpace:
        return self

    def operators(
        self, centres: np.ndarray, terms: Sequence[SpaceOperator]
    ) -> list[scipy.sparse.csr_matrix]:
        found = []
        for operator in terms:
            total: Any = scipy.sparse.csr_matrix((len(centres), len(self.points)))
            for index, coefficient in operator.items():
                scale = np.broadcast_to(np.asarray(coefficient, float), (len(centres),))
                total = total + scipy.sparse.diags_array(scale) @ self._matrix(index)[centres]
            found.append(scipy.sparse.csr_matrix(total))
        return found

    def _matrix(self, index: tuple[int, ...]) -> scipy.sparse.csr_matrix:
        """The operator that the jet of an order stands for (see `symbolic.operators.Frame`)."""
        (order,) = index
        if order == 1:
            return self.graph.weights
        assert order % 2 == 0, index
        total: Any = scipy.sparse.identity(self.graph.nodes, format="csr")
        laplacian = self.graph.laplacian()
        for _ in range(order // 2):
            total = laplacian @ total
        return total

    def interpolation(self, places: np.ndarray) -> scipy.sparse.csr_matrix:
        """Values at the nodes that are named; a place between numbers means the nearer one."""
        nodes = np.clip(np.round(places[:, 0]), 0, self.graph.nodes - 1).astype(int)
        entries = np.ones(len(nodes)), (np.arange(len(nodes)), nodes)
        return scipy.sparse.csr_matrix(entries, (len(nodes), self.graph.nodes))


def make_graph(graph: Graph) -> GraphSpace:
    """The space of a graph's nodes, each at its number."""
    numbers, none = np.arange(float(graph.nodes))[:, None], np.zeros((0, 1))
    cloud = Cloud(
        numbers, none, none, none, np.zeros(0, int), (), np.ones(graph.nodes), graph.periods
    )
    return GraphSpace(cloud, graph)


@dataclass(frozen=True, slots=True, eq=False)
class GridSpace:
    """A tensor grid over a box with finite differences of one order of accuracy.

    `axes` are the coordinates along each direction, both ends included where it is not periodic;
    `place` maps the number of a point of the grid (last axis fastest) to that of its node.
    """

    cloud: Cloud
    order: int
    axes: tuple[np.ndarray, ...]
    periods: tuple[float, ...]
    place: np.ndarray

    @property
    def points(self) -> np.ndarray:
        return self.cloud.evaluation

    def without_ghosts(self) -> GridSpace:
        return self

    def operators(
        self, centres: np.ndarray, terms: Sequence[SpaceOperator]
    ) -> list[scipy.sparse.csr_matrix]:
        inverse = np.argsort(self.place)[centres]
        known: dict[tuple[int, ...], scipy.sparse.csr_matrix] = {}
        found = []
        for operator in terms:
            total = scipy.sparse.csr_matrix((len(centres), len(self.place)))
            for index, coefficient in operator.items():
                if index not in known:
                    known[index] = self._derivative(index)[inverse]
                scale = np.broadcast_to(np.asarray(coefficient, float), (len(centres),))
                total = total + scipy.sparse.diags_array(scale) @ known[index]
            found.append(self._columns(scipy.sparse.csr_matrix(total)))
        return found

    def _derivative(self, index: tuple[int, ...]) -> Any:
        lines = [
            derivative_matrix(
                len(axis), float(axis[1] - axis[0]), m, self.order, periodic=period > 0
            )
            for axis, period, m in zip(self.axes, self.periods, index, strict=True)
        ]
        return reduce(lambda a, b: scipy.sparse.kron(a, b, format="csr"), lines)

    def _columns(self, matrix: scipy.sparse.csr_matrix) -> scipy.sparse.csr_matrix:
        columns = self.place[matrix.indices]
        result = scipy.sparse.csr_matrix((matrix.data, columns, matrix.indptr), matrix.shape)
        result.sort_indices()
        return result

    def interpolation(self, places: np.ndarray) -> scipy.sparse.csr_matrix:
        count = len(places)
        width = min(self.order + 3, *(len(a) for a in self.axes))
        shape = tuple(len(a) for a in self.axes)
        columns, entries = np.zeros((count, 1), dtype=int), np.ones((count, 1))
        for axis, (line, period) in enumerate(zip(self.axes, self.periods, strict=True)):
            spacing = line[1] - line[0]
            offset = (places[:, axis] - line[0]) / spacing
            first = np.round(offset - (width - 1) / 2).astype(int)
            if not period:
                first = np.clip(first, 0, len(line) - width)
            own = _lagrange(offset - first, width)
            index = (first[:, None] + np.arange(width)) % len(line)
            columns = (columns[:, :, None] * shape[axis] + index[:, None, :]).reshape(count, -1)
            entries = (entries[:, :, None] * own[:, None, :]).reshape(count, -1)
        rows = np.repeat(np.arange(count), columns.shape[1])
        return scipy.sparse.csr_matrix(
            (entries.ravel(), (rows, self.place[columns.ravel()])), (count, len(self.place))
        )


def _lagrange(places: np.ndarray, width: int) -> np.ndarray:
    """Weights (n, width) of the nodes 0 … width − 1 for interpolation at places (n,)."""
    nodes = np.arange(width, dtype=float)
    gaps = places[:, None] - nodes
    found = np.ones((len(places), width))
    for j in range(width):
        for i in range(width):
            if i != j:
                found[:, j] *= gaps[:, i] / (nodes[j] - nodes[i])
    return found


def make_grid(region: Region, counts: Sequence[int], order: int) -> GridSpace:
    """The uniform grid of a box, periodic directions without their last point.

    On edges and corners, which lie on several faces, a node belongs to the face of the first of
    them, and has its normal.
    """
    lower, upper = region.bounding_box()
    periods = region.periods
    axes = tuple(
        np.linspace(a, b, n, endpoint=not period)
        for a, b, n, period in zip(lower, upper, counts, periods, strict=True)
    )
    mesh = np.meshgrid(*axes, indexing="ij")
    points = np.stack([m.ravel() for m in mesh], axis=1)
    part = np.full(len(points), -1)
    normals = np.zeros(points.shape)
    names = list(region.part_names)
    face = 0
    for axis, (line, period) in enumerate(zip(axes, periods, strict=True)):
        if period:
            continue
        for end, sign in ((line[0], -1.0), (line[-1], 1.0)):
            own = (points[:, axis] == end) & (part < 0)
            part[own] = face
            normals[own, axis] = sign
            face += 1
    assert face == len(names), names
    inside = part < 0
    order_of_nodes = np.concatenate([np.flatnonzero(inside), np.flatnonzero(~inside)])
    place = np.empty(len(points), dtype=int)
    place[order_of_nodes] = np.arange(len(points))
    dimension = points.shape[1]
    spacing = np.full(len(points), min(float(a[1] - a[0]) for a in axes))
    cloud = Cloud(
        points[inside],
        points[~inside],
        np.zeros((0, dimension)),
        normals[~inside],
        part[~inside],
        tuple(names),
        spacing,
        tuple(periods),
    )
    return GridSpace(cloud, order, axes, tuple(periods), place)
