"""RBF-FD as a tool of its own: nodes, stencils, weights and matrices for any linear operator.

    from pdesl import rbffd

    cloud = rbffd.nodes("disk(radius=1)", spacing="0.02 + 0.05 (x² + y²)")
    L = rbffd.matrix(cloud.points, cloud.evaluation, "∇·((1 + x²) ∇u)", order=4)
    B = rbffd.matrix(cloud.points, cloud.boundary, "n·∇u + u", order=4, normals=cloud.normals)

An operator is a text in the language (`"∇²u"`, `"∂x∂y u"`, `"n·∇u + u"`), a SymPy expression, a
name of `NAMES` (`"laplacian"`), or a mapping from multi-indices to coefficients, numbers or arrays
over the centres: `{(2, 0): 1.0, (0, 2): 1.0}`. Points are NumPy arrays (N, d) in d = 1, 2, 3
dimensions. Nothing here needs JAX.

Sources: B. Fornberg and N. Flyer, A Primer on Radial Basis Functions with Applications to the
Geosciences, SIAM 2015; V. Bayona, N. Flyer, B. Fornberg and G. A. Barnett, J. Comput. Phys. 332
(2017) 257.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import sympy
from scipy.sparse import csr_matrix

from pdesl.lowering.cloud import Cloud, make_cloud
from pdesl.lowering.hyperviscosity import hyperviscosity as _hyperviscosity
from pdesl.lowering.node_file import read_nodes as _read_nodes
from pdesl.lowering.operator_text import (
    COORDINATES,
    state_function,
    state_operator,
    state_region,
)
from pdesl.lowering.rbffd import (
    LinearOperator,
    MultiIndex,
    Weights,
    biharmonic,
    laplacian,
    make_weights,
    to_csr,
)
from pdesl.lowering.stencils import FloatArray, misuse, nearest_nodes, period_lengths

if TYPE_CHECKING:
    from pdesl.symbolic.geometry import Region, Spacing

__all__ = [
    "NAMES",
    "Cloud",
    "LinearOperator",
    "Operator",
    "Weights",
    "hyperviscosity",
    "matrix",
    "nodes",
    "operator",
    "read_nodes",
    "region",
    "stencils",
    "to_csr",
    "weights",
]

Operator = str | sympy.Expr | LinearOperator
Periods = Sequence[float | None] | None

#: Operators by name; `d/dx`, `d/dy` and `d/dz` are names as well.
NAMES = ("identity", "laplacian", "biharmonic", "d/dx", "d/dy", "d/dz")


def region(
    text: str,
    coordinates: str | Sequence[str] = "x, y",
    parameters: Mapping[str, float] | None = None,
) -> Region:
    """The region that a text of the language describes.

    Args:
        text: a shape, `disk(radius=R)`, `difference(disk(radius=2), disk(radius=1))`, …
            (`pdesl list shapes`), or the range `[0, 1]` or `periodic(0, 1)` of every coordinate.
        coordinates: their names, `"x, y"` or `("x", "y")`; as many as dimensions.
        parameters: numbers for other names in the text.

    Raises:
        ProblemError: the text is no shape in these coordinates.
    """
    return state_region(text, _names(coordinates), parameters)


def nodes(
    where: str | Region,
    count: int | None = None,
    spacing: float | str | sympy.Expr | Spacing | None = None,
    *,
    coordinates: str | Sequence[str] | None = None,
    parameters: Mapping[str, float] | None = None,
    seed: int = 0,
    ghost: bool = True,
) -> Cloud:
    """Quasi-uniform nodes inside a region and on its boundary, with normals and ghosts outside.

    Args:
        where: a region, or a text for `region`.
        count: interior and boundary nodes together.
        spacing: the distance between neighbours: a number, an expression in the coordinates such
            as `"0.01 + 0.1 x²"`, or a function of points (n, d) to (n,). With a count as well, an
            expression or function is scaled to give that count.
        coordinates: names in texts; x, y, z as far as there are dimensions, and x, y for a text.
        parameters: numbers for other names in texts.
        seed: the same seed gives the same nodes to the bit.
        ghost: whether every boundary node gets a node outside.

    Returns:
        A `Cloud`: `points` are its [interior; boundary; ghost] nodes, `evaluation` the first two
        groups, `normals` belong to `boundary`, `spacing` to `evaluation`.

    Raises:
        GeometryError: nodes that cannot be placed. ProblemError: a text that cannot be read.
    """
    if isinstance(where, str):
        names = _names(coordinates or "x, y")
        where = state_region(where, names, parameters)
    names = _names(coordinates) if coordinates else COORDINATES.get(where.dimension, ())
    local: Spacing | None
    if isinstance(spacing, str | sympy.Expr):
        local = state_function(spacing, names, parameters)
    else:
        local = spacing
    return make_cloud(where, nodes=count, spacing=local, seed=seed, ghost=ghost)


def read_nodes(
    path: str,
    where: str | Region,
    *,
    coordinates: str | Sequence[str] | None = None,
    parameters: Mapping[str, float] | None = None,
    ghost: bool = True,
) -> Cloud:
    """The nodes of a CSV, NPZ or HDF5 file, with the normals and parts of the boundary.

    Args:
        path: relative to the working folder; columns x, y, z, `kind` (`interior`, `boundary`),
            nx, ny, nz, and `part` where the boundary has several.
        where: the region that they fill, or a text for `region`.
        coordinates, parameters: as for `nodes`; the names of the columns.
        ghost: whether every boundary node gets a node outside.

    Raises:
        GeometryError: E534 to E539, a file or nodes that cannot be used, and which row.
    """
    if isinstance(where, str):
        where = state_region(where, _names(coordinates or "x, y"), parameters)
    names = _names(coordinates) if coordinates else COORDINATES.get(where.dimension, ())
    return _read_nodes(path, where, names, ghost=ghost).cloud


def operator(
    expression: Operator,
    centres: npt.ArrayLike,
    *,
    normals: npt.ArrayLike | None = None,
    coordinates: str | Sequence[str] | None = None,
    parameters: Mapping[str, float] | None = None,
    field: str = "u",
) -> dict[MultiIndex, float | FloatArray]:
    """An operator as multi-indices with their coefficients at the centres.

    Args:
        expression: a text, a SymPy expression, a name of `NAMES`, or such a mapping already.
        centres: (N, d), where coefficients are taken.
        normals: outward unit normals at the centres (N, d), for expressions with `n`.
        coordinates: names of the coordinates; x, y, z as far as there are dimensions.
        parameters: numbers for other names.
        field: the name of what the operator is applied to.

    Raises:
        ProblemError: a text that cannot be read, or a coefficient that is not finite.
        SolverError: E713, an operator that is not linear, or arguments that do not fit.
    """
    places = _array(centres, "centres")
    dimension = places.shape[1]
    if isinstance(expression, Mapping):
        return dict(expression)
    if isinstance(expression, str) and expression in NAMES:
        return _named(expression, dimension)
    names = _names(coordinates) if coordinates else COORDINATES.get(dimension, ())
    if len(names) != dimension:
        raise misuse(f"{len(names)} names of coordinates for {dimension} dimensions")
    stated = state_operator(expression, names, parameters, field)
    outward = None if normals is None else _array(normals, "normals")
    return stated.at(places, outward)


def stencils(
    points: npt.ArrayLike, centres: npt.ArrayLike, size: int, periods: Periods = None
) -> tuple[npt.NDArray[np.int32], FloatArray]:
    """The `size` nodes next to every centre.

    Args:
        points: the nodes (M, d).
        centres: (N, d), which need not be nodes.
        size: nodes of a stencil, n.
        periods: the length after which nodes repeat in each direction, None or 0 for never.

    Returns:
        Indices (N, n), ascending in every row, and the distance (N,) to the farthest node.

    Raises:
        SolverError: E710, fewer nodes than n, or a stencil beyond half a period.
    """
    all_nodes, places = _array(points, "points"), _array(centres, "centres")
    if not 1 <= size <= len(all_nodes) or all_nodes.shape[1] != places.shape[1]:
        raise misuse(f"stencils of {size} nodes out of {all_nodes.shape} for {places.shape}")
    lengths = period_lengths(_periods(periods), places.shape[1])
    return nearest_nodes(all_nodes, places, size, lengths, -1)


def weights(
    points: npt.ArrayLike,
    centres: npt.ArrayLike,
    operators: Operator | Sequence[Operator],
    *,
    order: int,
    normals: npt.ArrayLike | None = None,
    coordinates: str | Sequence[str] | None = None,
    parameters: Mapping[str, float] | None = None,
    periods: Periods = None,
    degree: int | None = None,
    stencil_size: int | None = None,
    exponent: int | None = None,
    threads: int | None = None,
) -> Weights:
    """Weights of one or several operators, which then share stencils and factorisations.

    Σ_j w_j u(s_j) = (L u)(x), exactly for polynomials up to degree ℓ = p + θ − 1 and to O(h^p)
    for smooth u, with θ the order of the highest derivative.

    Args:
        points: the nodes (M, d), ghosts included where there are some.
        centres: where the operators are wanted (N, d); they need not be nodes.
        operators: see `operator`; several share ℓ and n of the highest derivative among them.
        order: p.
        normals: outward unit normals at the centres (N, d), for expressions with `n`.
        coordinates, parameters: as for `operator`.
        periods: the length after which nodes repeat in each direction, None or 0 for never;
            `cloud.periods` fits.
        degree, stencil_size, exponent, threads: as for `pdesl.lowering.rbffd.make_weights`.

    Returns:
        `indices` (N, n), `values` (N, n, K), and the `condition` of every stencil's system (N,),
        of which about 1e16 / condition digits remain.

    Raises:
        SolverError: E710 too few nodes, E711 two nodes at one place, E712 a stencil that is
            unusable, with its place, E713 arguments that do not fit. ProblemError: a text that
            cannot be read.
    """
    places = _array(centres, "centres")
    several = isinstance(operators, Sequence) and not isinstance(operators, str)
    made = [
        operator(one, places, normals=normals, coordinates=coordinates, parameters=parameters)
        for one in (operators if several else [operators])  # type: ignore[list-item]
    ]
    return make_weights(
        _array(points, "points"),
        places,
        made,
        order=order,
        degree=degree,
        stencil_size=stencil_size,
        exponent=exponent,
        periods=_periods(periods),
        threads=threads,
    )


def matrix(
    points: npt.ArrayLike,
    centres: npt.ArrayLike,
    expression: Operator,
    *,
    order: int,
    normals: npt.ArrayLike | None = None,
    coordinates: str | Sequence[str] | None = None,
    parameters: Mapping[str, float] | None = None,
    periods: Periods = None,
) -> csr_matrix:
    """The sparse matrix (N, M) that takes nodal values to L u at the centres.

    `matrix(points, targets, "u", order=4)` interpolates. Arguments and errors as for `weights`.
    """
    made = weights(
        points,
        centres,
        expression,
        order=order,
        normals=normals,
        coordinates=coordinates,
        parameters=parameters,
        periods=periods,
    )
    return to_csr(made)


def hyperviscosity(
    points: npt.ArrayLike,
    speed: float | npt.ArrayLike,
    *,
    order: int,
    strength: float = 1.0,
    patch: int | None = None,
    periods: Periods = None,
) -> csr_matrix:
    """The matrix H that makes u_t = −A u + H u stable where A is the advection a·∇ of order p.

    H = −Σ_i strength (|a|/h)_i E_iᵀ(I − Π_i)E_i / m, with E_i the n nodes of a patch, Π_i the
    orthogonal projection onto polynomials up to degree p on them, and m the mean number of
    patches at a node: symmetric, negative semidefinite, zero on polynomials up to degree p, and
    O(h^p) on smooth fields. The page of `pdesl.lowering.hyperviscosity` says more.

    Args:
        points: the nodes that A is on (M, d).
        speed: |a| at the nodes (M,), or a number.
        order: p.
        strength: 1 suffices for all nodes that were tried.
        patch: n; 3·C(p+d, d) + 1 unless given.
        periods: as for `weights`.

    Raises:
        SolverError: E710 too few nodes, E711 two nodes at one place, E713 arguments that do not
            fit.
    """
    return _hyperviscosity(
        points, speed, order=order, strength=strength, patch=patch, periods=_periods(periods)
    )


def _named(name: str, dimension: int) -> dict[MultiIndex, float | FloatArray]:
    if name == "laplacian":
        return laplacian(dimension)
    if name == "biharmonic":
        return biharmonic(dimension)
    index = [0] * dimension
    if name != "identity":
        axis = "xyz".index(name[-1])
        if axis >= dimension:
            raise misuse(f"there is no {name} in {dimension} dimensions")
        index[axis] = 1
    return {tuple(index): 1.0}


def _names(coordinates: str | Sequence[str]) -> tuple[str, ...]:
    if isinstance(coordinates, str):
        return tuple(name.strip() for name in coordinates.split(","))
    return tuple(coordinates)


def _array(values: npt.ArrayLike, what: str) -> FloatArray:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 2:
        raise misuse(f"{what} must have the shape (count, dimension), not {array.shape}")
    return array


def _periods(periods: Periods) -> list[float | None] | None:
    return None if periods is None else [float(p) if p else None for p in periods]
