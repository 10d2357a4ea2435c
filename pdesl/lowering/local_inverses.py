"""A sparse approximate inverse from small least-squares problems at every node.

Row i of the inverse P of a matrix A has entries at the unknowns of node i and of the nodes that i
is coupled to most strongly, such that ‖P A − I‖_F is smallest (M. J. Grote and T. Huckle, SIAM J.
Sci. Comput. 18 (1997) 838, on a fixed pattern). It is a product with a matrix as sparse as the
stencils, so that it is divided among devices as they are. (Inverses of the parts of A themselves
do not serve: at boundaries, where ghost nodes extrapolate, such parts may be nearly singular.)
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import coo_matrix, csr_matrix, diags_array

__all__ = ["local_inverses", "strongest"]

#: Nodes at which a row has entries.
NEIGHBOURS = 20
# Entries of the small matrices that are looked up at a time.
CHUNK = 4_000_000
# Added to the diagonal of small matrices, whose entries are at most one.
RIDGE = 1e-13


def strongest(matrix: csr_matrix, count: int) -> np.ndarray:
    """(M, k) nodes: every node itself, then those of the largest entries of its rows; itself again
    where there are no more."""
    table: Any = coo_matrix(matrix)
    size = np.abs(table.data)
    rows, columns = table.row % count, table.col % count
    own: Any = csr_matrix((size, (rows, columns)), (count, count))
    own.setdiag(np.inf)
    own = own.tocoo()
    order = np.lexsort((-own.data, own.row))
    row, column = own.row[order], own.col[order]
    rank = np.arange(len(row)) - np.searchsorted(row, np.arange(count))[row]
    found = np.repeat(np.arange(count)[:, None], NEIGHBOURS, axis=1)
    kept = rank < NEIGHBOURS
    found[row[kept], rank[kept]] = column[kept]
    return found


def local_inverses(matrix: Any, around: np.ndarray) -> csr_matrix:
    """The approximate inverse of a square matrix over the values at nodes, field after field.

    Args:
        matrix: (F·M, F·M), no row without entries.
        around: (M, k), nodes at which a row of the inverse has entries, as `strongest` finds them.
    """
    count, wide = around.shape
    fields = matrix.shape[0] // count
    size, width = matrix.shape[0], wide * fields
    scale = 1.0 / np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel())
    rows: Any = csr_matrix(diags_array(scale) @ matrix)
    square = _Entries(csr_matrix(rows @ rows.T))
    entries = _Entries(rows)
    # Unknowns of every small problem: field by field, so that the first of each is the node's.
    unknowns = np.concatenate([f * count + around for f in range(fields)], axis=1)
    repeated = np.zeros(around.shape, bool)
    repeated[:, 1:] = around[:, 1:] == around[:, :1]
    unused = np.tile(repeated, (1, fields))
    found = np.empty((count, fields, width))
    step = max(1, CHUNK // width**2)
    for start in range(0, count, step):
        own, blank = unknowns[start : start + step], unused[start : start + step]
        small = square.at(own[:, :, None], own[:, None, :])
        small[blank[:, :, None] | blank[:, None, :]] = 0.0
        small += np.eye(width) * (RIDGE + blank[:, None, :])
        right = entries.at(own[:, :, None], own[:, None, ::wide])
        right[blank] = 0.0
        found[start : start + step] = np.swapaxes(np.linalg.solve(small, right), 1, 2)
    found *= scale[unknowns][:, None, :]
    to = np.arange(fields)[None, :, None] * count + np.arange(count)[:, None, None]
    to = np.broadcast_to(to, found.shape)
    of = np.broadcast_to(unknowns[:, None, :], found.shape)
    # Zeros stay, so that all inverses of one pattern are arrays of one shape.
    return csr_matrix((found.ravel(), (to.ravel(), of.ravel())), (size, size))


class _Entries:
    """Entries of a sparse matrix by row and column."""

    def __init__(self, matrix: Any) -> None:
        matrix.sum_duplicates()
        self._size = matrix.shape[1]
        own = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
        self._keys = own * self._size + matrix.indices
        self._data = matrix.data

    def at(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Values at rows and columns of one shape, or broadcast to one."""
        wanted = rows * self._size + columns
        place = np.minimum(np.searchsorted(self._keys, wanted), len(self._keys) - 1)
        return np.where(self._keys[place] == wanted, self._data[place], 0.0)
