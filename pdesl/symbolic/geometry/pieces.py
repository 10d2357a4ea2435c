"""The smooth pieces that a boundary is made of, and the checks that all shapes share.

End points in one dimension, arcs in two, patches in three and more. Sampling, measures and the
set operations are written once, for pieces; a shape only lists its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pdesl.diagnostics import PdeslError

__all__ = [
    "Arc",
    "Array",
    "BoundarySample",
    "EndPoint",
    "GeometryError",
    "Patch",
    "Piece",
    "Spacing",
    "as_points",
    "direction_parameters",
    "distinct_names",
    "evaluate_spacing",
    "finite_vector",
    "format_point",
    "low_discrepancy",
    "low_discrepancy_step",
    "patch_share",
    "positive_number",
    "unit_directions",
]

Array: TypeAlias = NDArray[Any]
Spacing: TypeAlias = float | Callable[[Array], Array]


class GeometryError(PdeslError):
    """A region or a set of nodes that cannot be: what is wrong, and what to do about it."""

    def __init__(self, message: str, code: str = "E440", help: str = ""):  # noqa: A002
        self.code = code
        self.message = message
        self.help = help
        super().__init__(f"{message}\n  help: {help}" if help else message)


@dataclass(frozen=True, slots=True, eq=False)
class BoundarySample:
    """Points on a boundary, without any on a corner or an edge.

    `points` (m, d); `normals` (m, d), outward and of unit length; `part` (m,), indices into
    the region's `part_names`; `weights` (m,), the length or area that each point stands for
    (1 in one dimension), so that `weights.sum()` is the measure of the boundary.
    """

    points: Array
    normals: Array
    part: Array
    weights: Array


@dataclass(frozen=True, slots=True)
class EndPoint:
    """A boundary point of a region on the line, with its outward normal, -1 or +1."""

    position: float
    normal: float
    part: int


@dataclass(frozen=True, slots=True, eq=False)
class Arc:
    """A smooth piece of a boundary curve in the plane, over s in [0, 1].

    `position` and `normal` map (m,) to (m, 2); the normal is outward and of unit length.
    A `closed` arc returns to its start smoothly; a `straight` one is traversed uniformly.
    """

    position: Callable[[Array], Array]
    normal: Callable[[Array], Array]
    part: int
    closed: bool = False
    straight: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Patch:
    """A smooth piece of a boundary hypersurface in three and more dimensions.

    `chart` maps uniform numbers (m, parameters) in [0, 1) to points (m, d), outward normals
    (m, d) and a mask (m,) of those that belong to the patch; points are uniform in area.
    `area` is that of the chart's whole image, so the patch's own is `area * mask.mean()`.
    `project` maps points near the patch to the surface that the patch is a part of, and gives
    its normals there (either way round).
    """

    chart: Callable[[Array], tuple[Array, Array, Array]]
    project: Callable[[Array], tuple[Array, Array]]
    part: int
    parameters: int
    area: float


Piece: TypeAlias = EndPoint | Arc | Patch


def evaluate_spacing(spacing: Spacing, points: Array) -> Array:
    """The spacing at points (n, d) as (n,); raises `GeometryError` unless positive and finite."""
    if callable(spacing):
        values = np.asarray(spacing(points), dtype=float)
        if values.shape not in ((), (len(points),)):
            raise GeometryError(
                f"the spacing function returned an array of shape {values.shape} "
                f"for {len(points)} points; one number a point is needed",
                code="E447",
            )
        values = np.broadcast_to(values, (len(points),))
    else:
        values = np.full(len(points), float(spacing))
    bad = ~(np.isfinite(values) & (values > 0.0))
    if bad.any():
        where = points[int(np.argmax(bad))]
        raise GeometryError(
            f"the node spacing is {values[bad][0]} at {format_point(where)}; "
            "it must be positive and finite",
            code="E447",
        )
    return values


def format_point(point: Array) -> str:
    """A point for a message: `(0.5, 1)`."""
    return "(" + ", ".join(f"{value:.6g}" for value in np.atleast_1d(point)) + ")"


def finite_vector(value: ArrayLike, what: str, dimension: int | None = None) -> tuple[float, ...]:
    """A tuple of finite floats, or a `GeometryError` that names what is wrong."""
    array = np.atleast_1d(np.asarray(value, dtype=float))
    if array.ndim != 1 or array.size == 0:
        raise GeometryError(f"{what} must be a list of numbers, one for each coordinate", "E441")
    if dimension is not None and array.size != dimension:
        raise GeometryError(f"{what} needs {dimension} numbers, not {array.size}", "E441")
    if not np.isfinite(array).all():
        raise GeometryError(f"{what} must be finite, not {format_point(array)}", "E442")
    return tuple(float(number) for number in array)


def positive_number(value: float, what: str) -> float:
    """A positive finite float, or a `GeometryError` that names what is wrong."""
    number = float(value)
    if not np.isfinite(number) or number <= 0.0:
        raise GeometryError(f"{what} must be positive and finite, not {number:g}", "E442")
    return number


def as_points(points: ArrayLike, dimension: int) -> Array:
    """Points as a float array (n, d)."""
    array = np.asarray(points, dtype=float)
    if array.ndim != 2 or array.shape[1] != dimension:
        raise ValueError(f"points need the shape (n, {dimension}), not {array.shape}")
    return array


def low_discrepancy(count: int, dimension: int, shift: Array) -> Array:
    """Evenly spread points (count, dimension) in the unit cube, moved by `shift` (dimension,).

    The additive recurrence u_k = shift + k a (mod 1) with a_i = g^-i, where g is the root of
    g^(d+1) = g + 1 (M. Roberts, "The unreasonable effectiveness of quasirandom sequences").
    To go on after n points, shift by n times `low_discrepancy_step`.
    """
    numbers = np.arange(1.0, count + 1.0)[:, None]
    return np.mod(shift + numbers * low_discrepancy_step(dimension), 1.0)


def low_discrepancy_step(dimension: int) -> Array:
    """The step a (dimension,) of the low-discrepancy sequence."""
    root = 2.0
    for _ in range(64):
        root = (1.0 + root) ** (1.0 / (dimension + 1.0))
    return root ** -np.arange(1.0, dimension + 1.0)


def patch_share(patch: Patch) -> float:
    """The share of a patch's chart that belongs to it; 0 if no point of very many does."""
    for count in (1 << 11, 1 << 16):
        uniform = low_discrepancy(count, patch.parameters, np.zeros(patch.parameters))
        share = float(np.mean(patch.chart(uniform)[2]))
        if share > 0.0:
            return share
    return 0.0


def distinct_names(groups: Sequence[tuple[str, ...]]) -> tuple[tuple[str, ...], ...]:
    """Part names of several regions; a name that occurs in two of them gets a prefix."""
    flat = [name for names in groups for name in names]
    return tuple(
        tuple(name if flat.count(name) == 1 else f"region{i}_{name}" for name in names)
        for i, names in enumerate(groups, start=1)
    )


def unit_directions(uniform: Array, dimension: int) -> Array:
    """Unit vectors (m, d), uniform on the sphere, from uniform numbers in [0, 1).

    Two numbers give height and angle in three dimensions; above, d normal deviates.
    """
    if dimension == 2:
        angle = 2.0 * np.pi * uniform[:, 0]
        return np.column_stack([np.cos(angle), np.sin(angle)])
    if dimension == 3:
        height = 2.0 * uniform[:, 0] - 1.0
        across = np.sqrt(np.maximum(1.0 - height**2, 0.0))
        angle = 2.0 * np.pi * uniform[:, 1]
        return np.column_stack([across * np.cos(angle), across * np.sin(angle), height])
    from scipy.special import ndtri

    deviates = ndtri(np.clip(uniform, 1e-15, 1.0 - 1e-15))
    return deviates / np.linalg.norm(deviates, axis=1, keepdims=True)


def direction_parameters(dimension: int) -> int:
    """How many uniform numbers `unit_directions` takes for a vector."""
    return dimension - 1 if dimension <= 3 else dimension
