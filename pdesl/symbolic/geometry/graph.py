"""A graph as a space: its nodes are the points, told apart by their numbers.

With weights w_ij = w_ji ≥ 0 of the edges, a field is a value for each node, and

    (∇²u)_i = Σ_j w_ij (u_j − u_i),      neighbours(u)_i = Σ_j w_ij u_j

(F. R. K. Chung, "Spectral Graph Theory", 1997, section 1.2, whose Laplacian has the other sign).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np
from numpy.typing import ArrayLike

from pdesl.symbolic.data_file import DataFile, data_mistake, read_data_file
from pdesl.symbolic.geometry.pieces import Array, Piece
from pdesl.symbolic.geometry.region import Region

# SciPy is imported where its matrices are asked for: a check starts without it.
if TYPE_CHECKING:
    import scipy.sparse

    from pdesl.diagnostics import Span

__all__ = ["MOST_NODES", "Graph", "read_graph"]

MOST_NODES = 1_000_000
_FORM = "write `edges`, two numbers of nodes for each edge, counted from 0"


@final
@dataclass(frozen=True, slots=True, eq=False)
class Graph(Region):
    """Nodes 0 … n − 1 as points (n, 1), without a boundary.

    `edges` (E, 2) are pairs i < j, each once, and `edge_weights` (E,) belong to them. The measure
    counts nodes: ∫ f dV = Σ f_i.
    """

    nodes: int
    edges: Array
    edge_weights: Array

    @property
    def weights(self) -> scipy.sparse.csr_matrix:
        """W, symmetric (n, n) with a zero diagonal."""
        import scipy.sparse

        a, b = self.edges.T
        places = np.concatenate([a, b]), np.concatenate([b, a])
        table: Any = scipy.sparse.coo_matrix(
            (np.tile(self.edge_weights, 2), places), (self.nodes, self.nodes)
        )
        return table.tocsr()

    @property
    def degrees(self) -> Array:
        """Σ_j w_ij (n,)."""
        ends, weights = self.edges.ravel(), np.repeat(self.edge_weights, 2)
        return np.bincount(ends, weights, minlength=self.nodes)

    @property
    def dimension(self) -> int:
        return 1

    @property
    def part_names(self) -> tuple[str, ...]:
        return ()

    def level(self, points: ArrayLike) -> Array:
        """−1 at a node, 1 elsewhere."""
        number = np.asarray(points, float)[:, 0]
        own = (number == np.round(number)) & (number >= 0) & (number < self.nodes)
        return np.where(own, -1.0, 1.0)

    def bounding_box(self) -> tuple[Array, Array]:
        return np.zeros(1), np.full(1, self.nodes - 1.0)

    def pieces(self) -> tuple[Piece, ...]:
        return ()

    @property
    def size(self) -> float:
        return max(self.nodes - 1.0, 1.0)

    def interior_chart(self, uniform: Array) -> tuple[Array, Array]:
        points = np.minimum(np.floor(uniform * self.nodes), self.nodes - 1.0)
        return points, np.ones(len(points), dtype=bool)

    @property
    def interior_chart_measure(self) -> float:
        return float(self.nodes)

    @property
    def boundary_measure(self) -> float:
        return 0.0

    @property
    def measure(self) -> float:
        return float(self.nodes)

    def laplacian(self) -> scipy.sparse.csr_matrix:
        """W − diag(Σ_j w_ij)."""
        import scipy.sparse

        diagonal: Any = scipy.sparse.diags_array(self.degrees)
        return scipy.sparse.csr_matrix(self.weights - diagonal)


def read_graph(path: str, folder: str, span: Span | None = None) -> Graph:
    """The graph of a file.

    Args:
        path: NPZ or HDF5 with `edges` (E, 2) or (2, E), or CSV with columns `source` and `target`;
            numbers of nodes from 0 on. `weights` (E,), or the column `weight`, are positive and 1
            where there are none; `nodes` is the number of nodes where the last have no edge.
            Edges go both ways, and one that stands there both ways counts once; those from a node
            to itself say nothing of differences, and are left out.
        folder: the folder of the problem's file.
        span: where the problem names the file.

    Raises:
        ProblemError: E540, a file that cannot be read; E541, one without edges; E542, numbers that
            are no nodes, or weights that are not positive or differ both ways.
    """
    file = read_data_file(path, folder, span)
    ends = _ends(file, span)
    first, second = ends.T
    wrong = (ends != np.round(ends)) | ~(ends >= 0) | (ends >= MOST_NODES)
    if wrong.any():
        edge = int(np.argmax(wrong.any(axis=1)))
        value = ends[edge][wrong[edge]][0]
        raise data_mistake("E542", path, f"edge {edge} names the node {value:g}", span,
                           f"nodes are whole numbers from 0 to {MOST_NODES - 1:,}")  # fmt: skip
    weight = _weights(file, len(ends), span)
    count = _count(file, ends, span)
    own = first != second
    low = np.minimum(first, second)[own].astype(int)
    high = np.maximum(first, second)[own].astype(int)
    pairs, place = np.unique(low * count + high, return_inverse=True)
    single = np.zeros(len(pairs))
    single[place] = weight[own]
    if np.any(single[place] != weight[own]):
        pair = pairs[place[int(np.argmax(single[place] != weight[own]))]]
        what = f"the edge between {pair // count} and {pair % count} has two weights"
        raise data_mistake("E542", path, what, span, "edges go both ways: state one of them")
    return Graph(count, np.stack([pairs // count, pairs % count], axis=1), single)


def _ends(file: DataFile, span: Span | None) -> np.ndarray:
    """The nodes of every edge (E, 2)."""
    known = file.arrays
    if "edges" in known:
        ends = known["edges"]
        if ends.ndim == 2 and ends.shape[0] == 2 and ends.shape[1] != 2:
            ends = ends.T
        if ends.ndim != 2 or ends.shape[1] != 2:
            shape = " × ".join(map(str, ends.shape))
            raise data_mistake(
                "E541", file.path, f"its `edges` have the shape {shape}", span, _FORM
            )
    elif "source" in known and "target" in known and known["source"].shape == known["target"].shape:
        ends = np.stack([known["source"].ravel(), known["target"].ravel()], axis=1)
    else:
        raise data_mistake("E541", file.path, "it has no edges", span,
                           _FORM + "; a CSV has columns `source` and `target`")  # fmt: skip
    if not len(ends):
        raise data_mistake("E541", file.path, "it has no edges", span, _FORM)
    return ends


def _weights(file: DataFile, count: int, span: Span | None) -> np.ndarray:
    given = file.arrays.get("weights", file.arrays.get("weight"))
    if given is None:
        return np.ones(count)
    if given.shape != (count,):
        raise data_mistake("E542", file.path, f"there are {given.size} weights for {count} edges",
                           span, "give one for each edge")  # fmt: skip
    wrong = ~(np.isfinite(given) & (given > 0))
    if wrong.any():
        edge = int(np.argmax(wrong))
        raise data_mistake("E542", file.path, f"edge {edge} has the weight {given[edge]:g}", span,
                           "weights are positive; leave out edges that carry nothing")  # fmt: skip
    return given


def _count(file: DataFile, ends: np.ndarray, span: Span | None) -> int:
    least = int(ends.max()) + 1
    given = file.arrays.get("nodes")
    if given is None:
        return least
    if given.size != 1 or given.ravel()[0] != int(given.ravel()[0]) or given.ravel()[0] < least:
        raise data_mistake("E542", file.path, f"`nodes` is not the number of nodes, {least} at "
                           "least", span, "write one whole number, or leave it out")  # fmt: skip
    count = int(given.ravel()[0])
    if count > MOST_NODES:
        raise data_mistake("E542", file.path, f"there are {count:,} nodes, and {MOST_NODES:,} can "
                           "be worked with", span, "take a part of the graph")  # fmt: skip
    return count
