"""Rows on nodes as sparse matrices: RBF-FD operators fused as far as the rows allow.

For each row and field, the linear terms whose coefficients do not change in time are fused into
one matrix; a jet that the nonlinear part needs has a matrix of its own. Operators at one set of
centres share their stencils and one factorisation. All of it is NumPy and SciPy; `discrete` turns
it into JAX operators, a direct solver takes it as it is.

A field at the nodes is an array (M,) in a steady problem and (M, S) on S time slices.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse
import sympy

from pdesl.ir.system import Row, System
from pdesl.lowering.emit import RowArrays, lower_row
from pdesl.lowering.places import boundary_indices, on_slices
from pdesl.lowering.rbffd import make_weights, to_csr
from pdesl.symbolic.functions import Namespace

if TYPE_CHECKING:
    from pdesl.lowering.cloud import Cloud
    from pdesl.symbolic.geometry import Region

__all__ = ["NodalRow", "NodalSystem", "NodalTerm", "operator_words", "to_nodal"]

SpaceIndex = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class NodalTerm:
    """coefficient · (matrix @ ∂t^time_order of a field).

    `matrix` None stands for the values at the row's centres, `coefficient` None for one; a
    coefficient is a float or an array that broadcasts against (n,) or (n, S).
    """

    matrix: scipy.sparse.csr_matrix | None
    field: int
    time_order: int
    coefficient: float | np.ndarray | None = None


@dataclass(frozen=True, slots=True)
class NodalRow:
    """One row at its centres: residual = Σ linear + nonlinear(jets, columns) + forcing.

    `nodes` (n,) are the positions of the centres among the nodes; `slopes` gives the derivatives
    of the nonlinear part with respect to each jet; `columns` has the shape (k, n) or (k, n, S).
    """

    name: str
    kind: str
    nodes: np.ndarray
    linear: tuple[NodalTerm, ...]
    jets: tuple[NodalTerm, ...]
    nonlinear: Callable[..., Any] | None
    slopes: Callable[..., tuple[Any, ...]] | None
    columns: np.ndarray
    forcing: np.ndarray


@dataclass(frozen=True, slots=True)
class NodalSystem:
    """Every row of a system on the nodes of one cloud.

    `condition` is the largest condition number of the stencils: so many times the rounding of
    float64, 1e-16, the weights may be wrong.
    """

    points: np.ndarray
    interior: tuple[NodalRow, ...]
    boundary: tuple[NodalRow, ...]
    initial: tuple[NodalRow, ...]
    condition: float = 1.0

    @property
    def nonzeros(self) -> int:
        """Entries of all matrices, each counted once."""
        rows = (*self.interior, *self.boundary, *self.initial)
        matrices = {
            id(t.matrix): t.matrix
            for r in rows
            for t in (*r.linear, *r.jets)
            if t.matrix is not None
        }
        return sum(m.nnz for m in matrices.values())


def operator_words(nodal: NodalSystem, order: int) -> str:
    """Size and quality of the operators, for the report of a run."""
    return (
        f"{nodal.nonzeros:,} nonzeros, order {order}, stencil condition up to {nodal.condition:.0e}"
    )


@dataclass(slots=True)
class _Stencils:
    """Operators at one set of centres, collected first and made in one go."""

    centres: np.ndarray
    nodes: np.ndarray
    operators: list[Mapping[SpaceIndex, float | np.ndarray]] = field(default_factory=list)
    matrices: list[scipy.sparse.csr_matrix] = field(default_factory=list)
    condition: float = 1.0

    def add(self, operator: Mapping[SpaceIndex, float | np.ndarray]) -> int:
        for position, known in enumerate(self.operators):
            if _same(known, operator):
                return position
        self.operators.append(operator)
        return len(self.operators) - 1

    def build(self, points: np.ndarray, order: int, periods: Sequence[float | None] | None) -> None:
        if self.operators:
            weights = make_weights(
                points, self.centres, self.operators, order=order, periods=periods
            )
            self.condition = float(np.max(weights.condition))
            self.matrices = [to_csr(weights, k, len(points)) for k in range(len(self.operators))]


def _same(a: Mapping[SpaceIndex, Any], b: Mapping[SpaceIndex, Any]) -> bool:
    return a.keys() == b.keys() and all(np.array_equal(a[key], b[key]) for key in a)


def to_nodal(
    system: System,
    cloud: Cloud,
    region: Region,
    values: Mapping[sympy.Symbol, float],
    *,
    order: int,
    namespace: Namespace,
    times: np.ndarray | None = None,
    periods: Sequence[float | None] | None = None,
    everywhere: Container[str] | None = None,
) -> NodalSystem:
    """Rows on the nodes of a cloud.

    Interior rows hold at interior and boundary nodes, boundary rows at the boundary nodes of
    their regions (the rows of L and B in R. Sharma and V. Shankar, 2022, section 2.2).

    Args:
        system: the rows.
        cloud: the nodes.
        region: where the cloud lies, for regions of conditions.
        values: a number for every parameter.
        order: order of accuracy p of the RBF-FD operators.
        namespace: what nonlinear parts are evaluated with, NumPy or JAX.
        times: time slices (S,), for a system with time.
        periods: the period of every spatial direction, None where it is not periodic.
        everywhere: names of the interior rows that hold at boundary nodes too, None for all.

    Raises:
        ProblemError: see `lower_row`.
        SolverError: too few nodes for the order, or a stencil that is unusable.
    """
    first = len(cloud.interior)
    inside, whole = np.arange(first), np.arange(len(cloud.evaluation))
    stencils: dict[bytes, _Stencils] = {}
    pending: list[tuple[Row, _Stencils, np.ndarray | None, RowArrays, list[_Request]]] = []

    def prepare(row: Row, nodes: np.ndarray, normals: np.ndarray | None) -> None:
        centres = cloud.points[nodes]
        slices = None if times is None else times[:1] if row.kind == "initial" else times
        arrays = lower_row(row, system, on_slices(centres, normals, slices), values, namespace)
        group = stencils.setdefault(nodes.tobytes(), _Stencils(centres, nodes))
        pending.append((row, group, slices, arrays, _requests(arrays, system, group, slices)))

    for row in system.rows:
        prepare(row, whole if everywhere is None or row.name in everywhere else inside, None)
    for row in system.initial:
        prepare(row, whole, None)
    for row in system.boundary:
        own = boundary_indices(row, system, cloud, region, values)
        prepare(row, first + own, cloud.normals[own])
    for group in stencils.values():
        group.build(cloud.points, order, periods)
    built: dict[tuple[int, int], scipy.sparse.csr_matrix] = {}
    found: dict[str, list[NodalRow]] = {"interior": [], "boundary": [], "initial": []}
    for row, group, slices, arrays, requests in pending:
        found[row.kind].append(_row(row, group, slices, arrays, requests, built))
    return NodalSystem(
        cloud.points,
        tuple(found["interior"]),
        tuple(found["boundary"]),
        tuple(found["initial"]),
        max(group.condition for group in stencils.values()),
    )


@dataclass(frozen=True, slots=True)
class _Request:
    """A product to be made: `operator` is a number in the group, or None for the values alone.

    `diagonal` is a coefficient of the values at the centres that joins a fused matrix.
    """

    field: int
    time_order: int
    operator: int | None
    coefficient: float | np.ndarray | None = None
    diagonal: float | np.ndarray | None = None
    is_jet: bool = False


def _requests(
    arrays: RowArrays, system: System, group: _Stencils, slices: np.ndarray | None
) -> list[_Request]:
    axis = system.frame.time_axis

    def space(orders: tuple[int, ...]) -> SpaceIndex:
        return tuple(orders[i] for i in system.frame.space_axes)

    requests: list[_Request] = []
    for terms in arrays.linear:
        by_time: dict[int, dict[tuple[int, ...], float | np.ndarray]] = {}
        for orders, coefficient in terms.terms.items():
            by_time.setdefault(0 if axis is None else orders[axis], {})[orders] = coefficient
        for time_order, own in by_time.items():
            fused: dict[SpaceIndex, float | np.ndarray] = {}
            diagonal: float | np.ndarray | None = None
            for orders, coefficient in own.items():
                index = space(orders)
                steady = _steady(coefficient, slices)
                if steady is None:  # changes in time: multiplied after the product
                    number = group.add({index: 1.0}) if any(index) else None
                    requests.append(_Request(terms.field, time_order, number, coefficient))
                elif any(index):
                    fused[index] = steady
                else:
                    diagonal = steady
            if fused:
                number = group.add(fused)
                requests.append(_Request(terms.field, time_order, number, None, diagonal))
            elif diagonal is not None:
                requests.append(_Request(terms.field, time_order, None, diagonal))
    for number, orders in arrays.jets:
        index = space(orders)
        operator = group.add({index: 1.0}) if any(index) else None
        time_order = 0 if axis is None else orders[axis]
        requests.append(_Request(number, time_order, operator, is_jet=True))
    return requests


def _steady(
    coefficient: float | np.ndarray, slices: np.ndarray | None
) -> float | np.ndarray | None:
    """The coefficient at the centres, None where it changes from slice to slice."""
    if not isinstance(coefficient, np.ndarray) or slices is None:
        return coefficient
    table = coefficient.reshape(-1, len(slices))
    return table[:, 0].copy() if np.all(table == table[:, :1]) else None


def _row(
    row: Row,
    group: _Stencils,
    slices: np.ndarray | None,
    arrays: RowArrays,
    requests: list[_Request],
    built: dict[tuple[int, int], scipy.sparse.csr_matrix],
) -> NodalRow:
    count = len(group.nodes)
    shape = (count,) if slices is None else (count, len(slices))

    def matrix(request: _Request) -> scipy.sparse.csr_matrix | None:
        if request.operator is None:
            return None
        plain = group.matrices[request.operator]
        if request.diagonal is None:
            return plain
        key = (id(group), id(request))
        if key not in built:
            own = np.arange(count)
            entries = np.broadcast_to(request.diagonal, (count,))
            diagonal = scipy.sparse.csr_matrix((entries, (own, group.nodes)), plain.shape)
            built[key] = (plain + diagonal).tocsr()
        return built[key]

    def coefficient(request: _Request) -> float | np.ndarray | None:
        value = request.coefficient
        if not isinstance(value, np.ndarray):
            return None if value == 1.0 else value
        if slices is None:
            return value
        return value.reshape(shape) if value.size != count else value[:, None]

    terms = [
        (r.is_jet, NodalTerm(matrix(r), r.field, r.time_order, coefficient(r))) for r in requests
    ]
    return NodalRow(
        row.name,
        row.kind,
        group.nodes,
        tuple(t for is_jet, t in terms if not is_jet),
        tuple(t for is_jet, t in terms if is_jet),
        arrays.nonlinear,
        arrays.slopes,
        arrays.columns.reshape(len(arrays.columns), *shape),
        arrays.forcing.reshape(shape),
    )
