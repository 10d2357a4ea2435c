"""Which boundary condition fixes which nodal value: the algebraic part of a semi-discrete system.

At a boundary node a field has two values that a condition may fix, that at the node and that at
its ghost outside. One condition of order zero (Dirichlet) fixes the first; one with derivatives
(Neumann, Robin) fixes the ghost's, so that the equation holds at the node, where ghosts are in
use; two conditions fix both. What is fixed is algebraic; all else obeys the equation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse
import sympy

from pdesl.diagnostics import SolverError
from pdesl.ir.samples import condition_mask
from pdesl.ir.system import Row, System

if TYPE_CHECKING:
    from pdesl.lowering.cloud import Cloud
    from pdesl.symbolic.geometry import Region

__all__ = ["Assignment", "assign_conditions"]

VALUE, GHOST = 0, 1


@dataclass(frozen=True, slots=True, eq=False)
class Assignment:
    """What fixes what at the boundary nodes, numbered by their place in `cloud.boundary`.

    `ghosts` (k,) are the boundary nodes whose ghosts are in use; `fixes[r]` lists, for boundary
    row r, triples of nodes (n,), a field, and the slot, `VALUE` or `GHOST`, that it fixes there;
    `free[f]` are the nodes at which field f obeys its equation; `loose[f]` those whose ghost no
    condition of f fixes though it is in use.
    """

    ghosts: np.ndarray
    fixes: tuple[tuple[tuple[np.ndarray, int, int], ...], ...]
    free: tuple[np.ndarray, ...]
    loose: tuple[np.ndarray, ...]


def assign_conditions(
    system: System,
    cloud: Cloud,
    region: Region,
    values: Mapping[sympy.Symbol, float],
    *,
    ghosts: bool,
) -> Assignment:
    """Decide at every boundary node what each condition fixes.

    Args:
        system: boundary rows are linear.
        cloud: its boundary nodes.
        region: for regions of conditions.
        values: a number for every parameter.
        ghosts: whether ghost nodes can be used.

    Raises:
        SolverError: E742, conditions of a node that cannot fix a value each.
    """
    count = len(cloud.boundary)
    table = np.zeros((len(system.boundary), count), dtype=bool)
    for number, row in enumerate(system.boundary):
        for spec in row.regions:
            table[number] |= condition_mask(
                spec, region, system, cloud.boundary, cloud.part, values
            )
    # A multiplier has no equation of its own that could hold at the boundary.
    spatial = [
        f for f, name in enumerate(system.fields)
        if system.order_in_space(name) > 0 and name not in system.multipliers
    ]  # fmt: skip
    _corners(system, table)
    signatures, inverse = np.unique(table.T, axis=0, return_inverse=True)
    fixes: list[list[tuple[np.ndarray, int, int]]] = [[] for _ in system.boundary]
    free: list[list[np.ndarray]] = [[] for _ in system.fields]
    loose: list[list[np.ndarray]] = [[] for _ in system.fields]
    used: list[np.ndarray] = []
    for number, signature in enumerate(signatures):
        nodes = np.flatnonzero(inverse.ravel() == number)
        rows = np.flatnonzero(signature)
        slots = _match(system, rows)
        if slots is None:
            where = cloud.part_names[cloud.part[nodes[0]]]
            raise SolverError(
                f"the {len(rows)} boundary conditions on `{where}` do not fix one value each",
                code="E742",
                advice="check that every condition there holds a field of its own",
            )
        own: dict[int, list[int]] = {}
        for row, field in slots.items():
            own.setdefault(field, []).append(row)
        double = any(len(r) == 2 for r in own.values())
        if double and not ghosts:
            raise SolverError(
                "two conditions for one field at a boundary node need a node outside, and this "
                "discretisation in space has none",
                code="E742",
                advice="choose `space = rbf_fd(…)`",
            )
        suited = [
            f in own and len(own[f]) == 1 and _order(system, system.boundary[own[f][0]]) > 0
            for f in spatial
        ]
        outside = double or (ghosts and bool(spatial) and all(suited))
        if outside:
            used.append(nodes)
        for field in range(len(system.fields)):
            given = own.get(field, [])
            lowest = sorted(given, key=lambda r: _order(system, system.boundary[r]))
            derivative = given and _order(system, system.boundary[given[0]]) > 0
            if len(given) == 2:
                fixes[lowest[0]].append((nodes, field, VALUE))
                fixes[lowest[1]].append((nodes, field, GHOST))
                continue
            if given and not (outside and derivative):
                fixes[given[0]].append((nodes, field, VALUE))
            else:
                free[field].append(nodes)
            if given and outside and derivative:
                fixes[given[0]].append((nodes, field, GHOST))
            elif outside:
                loose[field].append(nodes)
    return Assignment(
        _joined(used), tuple(map(tuple, fixes)), tuple(map(_joined, free)),
        tuple(map(_joined, loose)),
    )  # fmt: skip


def _corners(system: System, table: np.ndarray) -> None:
    """Where two faces of a box meet, conditions of both hold by relation; keep one of each kind.

    A node in a corner has one normal, so conditions beyond what a field can take are dropped,
    those with derivatives first.
    """
    orders = np.array([_order(system, row) for row in system.boundary])
    for node in np.flatnonzero(table.sum(axis=0) > 1):
        rows = np.flatnonzero(table[:, node])
        if _match(system, rows) is not None:
            continue
        kept: list[int] = []
        for row in rows[np.argsort(orders[rows], kind="stable")]:
            if _match(system, np.array([*kept, row])) is not None:
                kept.append(int(row))
        table[rows, node] = False
        table[kept, node] = True


def _order(system: System, row: Row) -> int:
    return max((system.space_order(t.jet) for t in row.linear), default=0)


def _match(system: System, rows: np.ndarray) -> dict[int, int] | None:
    """A field for every row that it may fix; None where there is no such assignment."""
    if not len(rows):
        return {}
    slots = [
        f
        for f, name in enumerate(system.fields)
        for _ in range(2 if system.order_in_space(name) > 2 else 1)
    ]
    possible = np.zeros((len(rows), len(slots)), dtype=int)
    for i, row in enumerate(rows):
        held = {t.jet.field for t in system.boundary[row].linear}
        held |= {j.field for j in system.space.jets(system.boundary[row].nonlinear)}
        own = held - set(system.multipliers) or held
        possible[i] = [system.fields[f] in own for f in slots]
    graph = scipy.sparse.csr_matrix(possible)
    found = scipy.sparse.csgraph.maximum_bipartite_matching(graph, perm_type="column")
    if np.any(found < 0):
        return None
    return {int(row): slots[slot] for row, slot in zip(rows, found, strict=True)}


def _joined(parts: list[np.ndarray]) -> np.ndarray:
    return np.sort(np.concatenate(parts)) if parts else np.zeros(0, dtype=int)
