"""Rows on nodes as one residual with its Jacobian.

The Jacobian is assembled from the matrices of the rows,

    J = Σ linear terms  +  Σ_j diag(∂N/∂u_j) · matrix of jet j,

or multiplied with a vector without being assembled.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse

from pdesl.lowering.nodal import NodalRow, NodalSystem, NodalTerm

__all__ = ["Assembly"]


@dataclass(frozen=True, slots=True)
class Assembly:
    """The residual of all rows and its Jacobian, rows in the order interior, boundary."""

    system: NodalSystem
    fields: int

    @property
    def rows(self) -> tuple[NodalRow, ...]:
        return (*self.system.interior, *self.system.boundary)

    @property
    def shape(self) -> tuple[int, int]:
        return sum(len(r.nodes) for r in self.rows), self.fields * len(self.system.points)

    def _apply(self, term: NodalTerm, row: NodalRow, values: np.ndarray) -> np.ndarray:
        own = values[term.field]
        return own[row.nodes] if term.matrix is None else term.matrix @ own

    def residual(self, values: np.ndarray) -> np.ndarray:
        """Residuals of all rows at nodal values (fields, M)."""
        parts = []
        for row in self.rows:
            total = row.forcing.copy()
            for term in row.linear:
                scale = 1.0 if term.coefficient is None else term.coefficient
                total += scale * self._apply(term, row, values)
            if row.nonlinear is not None:
                jets = [self._apply(t, row, values) for t in row.jets]
                with np.errstate(all="ignore"):
                    total = total + row.nonlinear(*jets, *row.columns)
            parts.append(total)
        return np.concatenate(parts)

    def jacobian(self, values: np.ndarray) -> Any:
        """The Jacobian of `residual` as a CSR matrix, fields as blocks of columns."""
        blocks = []
        for row, terms in zip(self.rows, self._terms(values), strict=True):
            line: list[Any] = [None] * self.fields
            for term, scale in terms:
                block = self._matrix(term, row)
                if scale is not None:
                    own = np.broadcast_to(np.asarray(scale, float), row.nodes.shape)
                    block = scipy.sparse.diags_array(own) @ block
                known = line[term.field]
                line[term.field] = block if known is None else known + block
            count = len(row.nodes), len(self.system.points)
            blocks.append([scipy.sparse.csr_matrix(count) if b is None else b for b in line])
        # Nodes are numbered in 32 bits; SuperLU takes no wider indices.
        return scipy.sparse.csr_matrix(scipy.sparse.bmat(blocks, format="csr"))

    def product(self, values: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
        """v → J v with the Jacobian J at nodal values (fields, M); v (fields · M,)."""
        terms = self._terms(values)

        def multiply(vector: np.ndarray) -> np.ndarray:
            change = vector.reshape(values.shape)
            parts = []
            for row, own in zip(self.rows, terms, strict=True):
                total = np.zeros(len(row.nodes))
                for term, scale in own:
                    product = self._apply(term, row, change)
                    total += product if scale is None else scale * product
                parts.append(total)
            return np.concatenate(parts)

        return multiply

    def _terms(self, values: np.ndarray) -> list[list[tuple[NodalTerm, Any]]]:
        """For each row its terms with their coefficients, those of the slopes included."""
        found = []
        for row in self.rows:
            terms: list[tuple[NodalTerm, Any]] = [(t, t.coefficient) for t in row.linear]
            if row.slopes is not None:
                jets = [self._apply(t, row, values) for t in row.jets]
                with np.errstate(all="ignore"):
                    slopes = row.slopes(*jets, *row.columns)
                terms += list(zip(row.jets, slopes, strict=True))
            found.append(terms)
        return found

    def _matrix(self, term: NodalTerm, row: NodalRow) -> Any:
        if term.matrix is not None:
            return term.matrix
        count = len(row.nodes)
        return scipy.sparse.csr_matrix(
            (np.ones(count), (np.arange(count), row.nodes)), (count, len(self.system.points))
        )

    @property
    def is_linear(self) -> bool:
        return all(row.nonlinear is None for row in self.rows)

    @property
    def row_nodes(self) -> np.ndarray:
        """The node of each equation (R,)."""
        return np.concatenate([row.nodes for row in self.rows])

    def column_nodes(self, evaluation: int) -> np.ndarray:
        """The node of each unknown; a ghost counts to its boundary node.

        `evaluation` is the number of nodes without the ghosts, which come last and belong to the
        last of the other nodes in their order.
        """
        nodes = np.arange(len(self.system.points))
        ghosts = len(nodes) - evaluation
        nodes[evaluation:] -= ghosts
        return np.tile(nodes, self.fields)

    def spans(self) -> list[tuple[str, slice]]:
        """Each row's name and its place in the residual."""
        found, start = [], 0
        for row in self.rows:
            found.append((row.name, slice(start, start + len(row.nodes))))
            start += len(row.nodes)
        return found
