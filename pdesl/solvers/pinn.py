"""The vanilla PINN: a network trained on its own exact derivatives.

Minimises equation (4) of R. Sharma and V. Shankar (NeurIPS 2022), after M. Raissi, P. Perdikaris
and G. E. Karniadakis (2019),

    e(w) = 1/Ni Σ_interior (residual of the PDE)²  +  1/Nb Σ_boundary (residual of B u = g)²,

with the derivatives by collapsed Taylor propagation, points taken in chunks. With time, the nodes
are repeated on equidistant time slices and a mean over the initial condition is added.
"""

from __future__ import annotations

from typing import Any

import equinox as eqx
import numpy as np
from jax import Array

from pdesl.lowering.places import boundary_indices, on_slices
from pdesl.lowering.pointwise import PointRow, to_pointwise
from pdesl.lowering.rows import sum_of_squares
from pdesl.solvers.base import Reporter, SolverResult, Task
from pdesl.solvers.options import PinnOptions
from pdesl.solvers.trained import make_nodes, new_network, time_slices, total_loss, train

__all__ = ["solve"]


class Data(eqx.Module):
    """The rows of every part of the loss."""

    equations: tuple[PointRow, ...]
    boundary: tuple[PointRow, ...]
    initial: tuple[PointRow, ...]
    boundary_count: int = eqx.field(static=True)
    chunk: int = eqx.field(static=True)


def solve(task: Task, reporter: Reporter) -> SolverResult:
    """Train a network on its own derivatives.

    Args:
        task: a system with derivatives up to order 4; `options` are `PinnOptions`.
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

    with reporter.stage("rows"):
        interior = on_slices(cloud.interior, None, times)
        equations = tuple(
            to_pointwise(row, system, interior, task.values, dtype) for row in system.rows
        )
        boundary = []
        for row in system.boundary:
            own = boundary_indices(row, system, cloud, task.region, task.values)
            where = on_slices(cloud.boundary[own], cloud.normals[own], times)
            boundary.append(to_pointwise(row, system, where, task.values, dtype))
        start = on_slices(cloud.evaluation, None, None if times is None else times[:1])
        initial = tuple(
            to_pointwise(row, system, start, task.values, dtype) for row in system.initial
        )
    slices = 1 if times is None else len(times)
    data = Data(equations, tuple(boundary), initial, len(cloud.boundary) * slices, options.chunk)
    weights = {
        "equations": 1.0,
        "boundary": options.boundary_weight,
        "initial": options.initial_weight,
    }

    def loss(network: Any, data: Data) -> tuple[Array, Any]:
        def squares(row: PointRow) -> Array:
            return sum_of_squares(row.residual, network, row.data, chunk=data.chunk)[0]

        def mean(rows: tuple[PointRow, ...]) -> Array:
            terms = [squares(row) / len(row.data.forcing) for row in rows]
            return sum(terms[1:], start=terms[0])

        parts = {"equations": mean(data.equations)}
        if data.boundary:
            terms = [squares(row) / data.boundary_count for row in data.boundary]
            parts["boundary"] = sum(terms[1:], start=terms[0])
        if data.initial:
            parts["initial"] = mean(data.initial)
        return total_loss(parts, weights)

    return train(
        task,
        network,
        loss,
        data,
        cloud,
        method="pinn",
        times=times,
        reporter=reporter,
        counts={"time_slices": slices},
    )
