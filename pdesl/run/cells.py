"""Nodes joined to segments, triangles or tetrahedra that fill a region."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pdesl.symbolic.geometry import Region

__all__ = ["make_cells"]

# A cell smaller than this share of the average one is a sliver between nodes on one face.
SLIVER = 1e-6
# A cell belongs to the region when its centre lies inside, or outside by so much of its size.
OUTSIDE = 0.05


def make_cells(points: NDArray, region: Region) -> NDArray | None:
    """Delaunay's cells (k, d + 1) of nodes (n, d), those outside the region left out.

    None in more than three dimensions, or where the nodes do not span the space.
    """
    from scipy.spatial import Delaunay, QhullError

    count, dimension = points.shape
    if dimension > 3 or count < dimension + 2:
        return None
    if dimension == 1:
        order = np.argsort(points[:, 0])
        cells = np.stack([order[:-1], order[1:]], axis=1)
    else:
        try:
            cells = Delaunay(points).simplices
        except QhullError:
            return None
    corners = points[cells]
    sides = corners[:, 1:] - corners[:, :1]
    sizes = np.abs(np.linalg.det(sides))
    whole = sizes > SLIVER * np.mean(sizes)
    outside = np.asarray(region.level(corners.mean(axis=1)), float)
    lengths = np.linalg.norm(sides, axis=2).max(axis=1)
    return cells[whole & (outside <= OUTSIDE * lengths)]
