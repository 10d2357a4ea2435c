"""Hyperviscosity on scattered nodes: damping of what the nodes do not resolve, and of that alone.

RBF-FD matrices A of an advection term a·∇ on scattered nodes have eigenvalues on both sides of
the imaginary axis, so that u_t = −A u grows without bound. The remedy is a term that acts on
unresolved scales and vanishes with the order of the formulas,

    u_t = −A u + H u,      H = −Σ_i c (|a|/h)_i E_iᵀ (I − Π_i) E_i / m,

where E_i takes the n nodes of the i-th patch, Π_i is the orthogonal projection onto the
polynomials up to degree p on them, h the node spacing and m the mean number of patches that a
node lies in. H is symmetric and negative semidefinite whatever the nodes and also at boundaries,
it is zero on polynomials up to degree p, and H u = O(h^p) for smooth u. On plane waves it acts
as −c|a| h^(2p+1) (−Δ)^(p+1) at long waves and levels off at −c|a|/h at short ones, so that it does
not tighten the stability bound of an explicit step as powers of a Laplacian do.

The classical form (−1)^(k+1) γ h^(2k−1) Δ^k is available from `make_weights`. It has no sign at
boundaries, its γ has to be found for every order and set of nodes, and the γ that it takes enlarges
the spectral radius several times at high order (`benchmarks/RESULTS.md`).

Sources: B. Fornberg and E. Lehto, J. Comput. Phys. 230 (2011) 2270 (hyperviscosity for RBF-FD);
V. Shankar and A. L. Fogelson, J. Comput. Phys. 372 (2018) 616 (its strength from the order and
the spacing); R. Becker and M. Braack, Calcolo 38 (2001) 173 (damping by local projections);
K. Mattsson, M. Svärd and J. Nordström, J. Sci. Comput. 21 (2004) 57 (symmetric dissipation, which
cannot destabilise at boundaries).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_matrix, csr_matrix

from pdesl.diagnostics import SolverError
from pdesl.lowering.rbffd import total_degree
from pdesl.lowering.stencils import FloatArray, misuse, nearest_nodes, period_lengths, wrap

__all__ = ["hyperviscosity"]

# Patches start at nodes that no earlier patch holds within this fraction of its radius: a third
# of all nodes, with the same spectrum as one patch at every node.
_APART = 0.3
# Entries of patch matrices that are put together at a time.
_CHUNK_ENTRIES = 4_000_000


def hyperviscosity(
    points: npt.ArrayLike,
    speed: float | npt.ArrayLike,
    *,
    order: int,
    strength: float = 1.0,
    patch: int | None = None,
    periods: Sequence[float | None] | None = None,
) -> csr_matrix:
    """The matrix H to be added to the right side: u_t = −A u becomes u_t = −A u + H u.

    H = −Σ_i strength (|a|/h)_i E_iᵀ(I − Π_i)E_i / m, as the module's page explains.

    Args:
        points: all nodes (M, d) at which u is unknown, those that A is on.
        speed: |a| at the nodes (M,), or a number: the largest speed is always enough. With
            diffusion or a reaction beside the advection it stays the advection's speed.
        order: p of the formulas of A; the order of the solution stays p.
        strength: c. 1 suffices on all the nodes that were tried; less is milder and may leave
            growing modes, more costs accuracy.
        patch: nodes of a patch, n; 3·C(p+d, d) + 1 unless given, at least C(p+d, d) + 1.
        periods: as for `make_weights`.

    Returns:
        A symmetric negative semidefinite matrix (M, M) in the unit of speed over length. It has
        about four times as many entries a row as a patch has nodes; its spectral radius is
        about c|a|/h, below that of A.

    Raises:
        SolverError: E710, fewer nodes than a patch has; E711, two nodes at one place; E713,
            arguments that do not fit together.
    """
    nodes = np.ascontiguousarray(points, dtype=np.float64)
    if nodes.ndim != 2 or 0 in nodes.shape or not np.all(np.isfinite(nodes)):
        raise misuse(f"points must be finite and have the shape (count, dimension): {nodes.shape}")
    count, dimension = nodes.shape
    speeds = np.abs(np.asarray(speed, dtype=np.float64))
    if speeds.shape not in ((), (count,)) or not np.all(np.isfinite(speeds)):
        raise misuse(f"the speed must be a finite number or an array of shape ({count},)")
    if order < 1 or not (np.isfinite(strength) and strength > 0.0):
        raise misuse(f"order {order} and strength {strength:g} must be positive")
    powers = total_degree(order, dimension)
    size = 3 * len(powers) + 1 if patch is None else patch
    if size <= len(powers):
        raise misuse(
            f"a patch of {size} nodes holds nothing beside the {len(powers)} polynomials up to "
            f"degree {order} in {dimension} dimensions"
        )
    if count < size:
        raise SolverError(
            f"hyperviscosity of order {order} in {dimension} dimensions needs at least {size} "
            f"nodes; there are {count}",
            code="E710",
            advice="use more nodes, or a lower order",
        )
    lengths = period_lengths(periods, dimension)
    indices, radius = nearest_nodes(nodes, nodes, size, lengths, 1)
    spacing = _nearest_distance(nodes, lengths)[indices].mean(axis=1)
    centres = _spread_centres(nodes, indices, radius, lengths)
    rate = strength * np.broadcast_to(speeds, (count,))[indices].max(axis=1) / spacing
    # The mean over nodes of the number of patches that hold them, at one centre in so many.
    rate = rate[centres] * (count / (size * len(centres)))
    total: csr_matrix = csr_matrix((count, count))
    step = max(1, _CHUNK_ENTRIES // size**2)
    for start in range(0, len(centres), step):
        part = centres[start : start + step]
        own = indices[part]
        offsets = nodes[own] - nodes[part, None]
        if lengths is not None:
            wrap(offsets, lengths)
        offsets /= radius[part, None, None]
        blocks = _remainders(offsets, powers) * -rate[start : start + step, None, None]
        rows = np.repeat(own, size, axis=1).ravel()
        columns = np.tile(own, (1, size)).ravel()
        total = csr_matrix(total + coo_matrix((blocks.ravel(), (rows, columns)), (count, count)))
    total.sort_indices()
    return total


def _remainders(offsets: FloatArray, powers: npt.NDArray[np.intp]) -> FloatArray:
    """I − Π for every patch, (B, n, n), from the nodes' places (B, n, d) in the unit ball."""
    columns = [np.prod(offsets**power, axis=2) for power in powers]
    basis, _ = np.linalg.qr(np.stack(columns, axis=2))
    return np.eye(offsets.shape[1]) - basis @ basis.transpose(0, 2, 1)


def _nearest_distance(nodes: FloatArray, lengths: FloatArray | None) -> FloatArray:
    """The distance (M,) of every node to its nearest neighbour."""
    pairs, _ = nearest_nodes(nodes, nodes, 2, lengths, 1)
    offsets = nodes[pairs[:, 0]] - nodes[pairs[:, 1]]
    if lengths is not None:
        wrap(offsets, lengths)
    distance = np.linalg.norm(offsets, axis=1)
    if not np.all(distance > 0.0):
        first, second = pairs[int(np.argmin(distance))]
        raise SolverError(
            f"nodes {first} and {second} coincide",
            code="E711",
            advice="remove one of the two nodes",
        )
    return distance


def _spread_centres(
    nodes: FloatArray,
    indices: npt.NDArray[np.int32],
    radius: FloatArray,
    lengths: FloatArray | None,
) -> npt.NDArray[np.intp]:
    """Centres of patches that together cover every node several times."""
    taken = np.zeros(len(nodes), dtype=bool)
    chosen = []
    for centre, (own, reach) in enumerate(zip(indices, radius, strict=True)):
        if taken[centre]:
            continue
        chosen.append(centre)
        offsets = nodes[own] - nodes[centre]
        if lengths is not None:
            wrap(offsets, lengths)
        taken[own[np.einsum("nd,nd->n", offsets, offsets) < (_APART * reach) ** 2]] = True
    return np.array(chosen, dtype=np.intp)
