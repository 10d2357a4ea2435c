"""The vanilla PINN: a network trained on its own exact derivatives.

Minimises equation (4) of R. Sharma and V. Shankar (NeurIPS 2022), after M. Raissi, P. Perdikaris
and G. E. Karniadakis (2019),

    e(w) = 1/Ni Σ_interior (residual of the PDE)²  +  1/Nb Σ_boundary (residual of B u = g)²,

with the derivatives by collapsed Taylor propagation, points taken in chunks. With time, the nodes
are repeated on equidistant time slices and a mean over the initial condition is added. The terms
of conditions are weighted by the sizes of their operators (`weights`), unless options set weights.
"""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import Array

from pdesl.lowering.devices import divided, kept, make_mesh, parts, rows_of, summed
from pdesl.lowering.pointwise import PointRow, to_pointwise
from pdesl.lowering.rows import chunked_rows, row_jacobian, sum_of_squares
from pdesl.solvers.base import Reporter, SolverResult, Task
from pdesl.solvers.networks import Network
from pdesl.solvers.nodes import make_nodes
from pdesl.solvers.options import PinnOptions
from pdesl.solvers.trained import new_network, time_slices, train
from pdesl.solvers.training import Residuals
from pdesl.solvers.weights import Term, describe_weights, make_terms, row_places, weighted_sum

__all__ = ["row_parts", "solve"]


class Data(eqx.Module):
    """The rows of the loss with their weights: interior, boundary, initial."""

    rows: tuple[PointRow, ...]
    terms: tuple[Term, ...] = eqx.field(static=True)
    chunk: int = eqx.field(static=True)


def loss(network: Network, data: Data) -> tuple[Array, Any]:
    """The weighted sum of mean squares, and its parts."""
    squares = [
        sum_of_squares(row.residual, network, row.data, chunk=data.chunk)[0] for row in data.rows
    ]
    return weighted_sum(data.terms, squares)


def residual_vector(network: Network, data: Data) -> Array:
    """What the loss is the sum of squares of, (n,)."""
    parts = [
        term.factor * chunked_rows(row.residual, network, row.data, chunk=data.chunk)
        for term, row in zip(data.terms, data.rows, strict=True)
    ]
    return jnp.concatenate(parts)


def residual_jacobian(network: Network, data: Data) -> Array:
    """Its derivatives with respect to the parameters, (n, p)."""
    parts = [
        term.factor * row_jacobian(row.residual, network, row.data, chunk=data.chunk)
        for term, row in zip(data.terms, data.rows, strict=True)
    ]
    return jnp.concatenate(parts)


def solve(task: Task, reporter: Reporter) -> SolverResult:
    """Train a network on its own derivatives.

    Args:
        task: a system with derivatives up to order 8; `options` are `PinnOptions`.
        reporter: hears of stages and progress.

    Returns:
        The network of the lowest loss.

    Raises:
        SolverError: nodes that cannot be made, a loss that is not finite.
        ProblemError: coefficients or data that are not finite at a node (E326).
    """
    options: PinnOptions = task.options
    system = task.system
    dtype = np.dtype(options.precision)
    network = new_network(task)
    cloud = make_nodes(task, ghost=False, reporter=reporter)
    times = time_slices(task)

    with reporter.stage("rows") as note:
        placed = row_places(task, cloud, times, cloud.interior)
        rows = tuple(
            to_pointwise(row, system, places, task.values, dtype) for row, places, _ in placed
        )
        terms = make_terms(task, placed)
        note.text = describe_weights(terms)
    slices = 1 if times is None else len(times)
    mesh = make_mesh(task.devices)
    data = Data(rows, terms, options.chunk)
    if mesh is not None:
        data = divided(
            Data(tuple(row_parts(r, mesh.size) for r in rows), terms, options.chunk), mesh
        )
    return train(
        task,
        network,
        summed(loss, mesh),
        data,
        cloud,
        method="pinn",
        times=times,
        reporter=reporter,
        counts={"time_slices": slices},
        residuals=Residuals(rows_of(residual_vector, mesh), rows_of(residual_jacobian, mesh)),
        notes=tuple(filter(None, [describe_weights(terms)])),
        mesh=mesh,
    )


def row_parts(row: PointRow, devices: int) -> PointRow:
    """The points of a row for each device."""
    count = len(row.data.forcing)
    return row.parts(parts(np.arange(count), devices), kept(count, devices))
