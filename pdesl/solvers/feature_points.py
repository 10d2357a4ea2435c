"""Collocation points for random features: a region, or a slab of space and time.

In a steady problem equations hold at the interior nodes of a cloud and conditions at its boundary
nodes. With time, node k of the interior, counted along the cloud's space-filling curve, has the
time t₀ + T frac(k g + s) with g the golden section: neighbours on the curve are far apart in time,
and any stretch of it fills the interval evenly (H. Niederreiter, Random Number Generation and
Quasi-Monte Carlo Methods, 1992, section 3.1). Boundary nodes have the same spacing in space and
as many times as that spacing gives; initial conditions hold on a cloud of the same spacing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pdesl.diagnostics import PdeslError
from pdesl.lowering.cloud import Cloud, make_cloud
from pdesl.lowering.places import Places, boundary_indices
from pdesl.solvers.base import Task, input_box
from pdesl.solvers.feature_rows import CollocationRow, State, Term, fixed_row, to_collocation

__all__ = ["Slab"]

GOLDEN = (np.sqrt(5.0) - 1.0) / 2.0
# A coarse cloud that misses a part of the boundary is refined so often before that is an error.
REFINEMENTS = 5
# Codes of clouds with too few nodes: no interior node, no node on a part of the boundary.
TOO_FEW = ("E449", "E702")


@dataclass(frozen=True, slots=True)
class Slab:
    """A task, for time in [first, last]; `start` is the state at `first`, else the task's own."""

    task: Task
    first: float = 0.0
    last: float = 0.0
    start: State | None = None

    @property
    def box(self) -> tuple[list[float], list[float]]:
        """Bounds of every coordinate, in the order of the problem."""
        lower, upper = input_box(self.task)
        axis = self.task.system.frame.time_axis
        if axis is not None:
            lower[axis], upper[axis] = self.first, self.last
        return lower, upper

    def rows(self, points: int, seed: int) -> tuple[CollocationRow, ...]:
        """Every row at about so many points: equations, boundary conditions, initial conditions.

        Raises:
            ProblemError: a coefficient that is not finite at a point (E326).
            SolverError: a condition on a part of the boundary too small for any node (E702).
            GeometryError: a region that nodes cannot be placed in.
        """
        system, values = self.task.system, self.task.values
        steady = system.is_steady
        cloud = self._refined(points, seed)
        inner = cloud.interior if len(cloud.interior) else cloud.evaluation
        moments = None if steady else self._times(len(inner), seed)
        found = [
            to_collocation(row, system, Places(inner, None, moments), values) for row in system.rows
        ]
        dimension = inner.shape[1]
        if not steady:
            cells = points ** (1.0 / (dimension + 1))
            cloud = self._refined(int(np.ceil(2.0 * cells**dimension)) + 2, seed + 1)
            each = int(np.ceil(cells * 2.0 ** (1.0 / dimension)))
        for row in system.boundary:
            own = boundary_indices(row, system, cloud, self.task.region, values)
            place, normal = cloud.boundary[own], cloud.normals[own]
            if steady:
                found.append(to_collocation(row, system, Places(place, normal), values))
                continue
            steps = (np.tile(np.arange(each), len(own)) + 0.5) / each
            shifts = np.repeat(np.arange(len(own)) * GOLDEN, each)
            times = self.first + (self.last - self.first) * np.mod(steps + shifts, 1.0)
            where = Places(np.repeat(place, each, axis=0), np.repeat(normal, each, axis=0), times)
            found.append(to_collocation(row, system, where, values))
        if not steady:
            found += self._initial(cloud)
        return tuple(found)

    def _times(self, count: int, seed: int) -> np.ndarray:
        shift = np.random.default_rng(seed).uniform()
        return self.first + (self.last - self.first) * np.mod(
            np.arange(count) * GOLDEN + shift, 1.0
        )

    def _initial(self, cloud: Cloud) -> list[CollocationRow]:
        system = self.task.system
        where = Places(cloud.evaluation, None, np.full(len(cloud.evaluation), self.first))
        if self.start is None:
            return [to_collocation(r, system, where, self.task.values) for r in system.initial]
        axis = system.frame.time_axis
        inputs = where.inputs(system)
        found = []
        for number, name in enumerate(system.fields):
            for order in range(system.order_in_time(name)):
                orders = tuple(order if i == axis else 0 for i in range(inputs.shape[1]))
                term: Term = (number, orders)
                (values,) = self.start(inputs, [term])
                found.append(fixed_row(f"the state of `{name}`", term, inputs, values))
        return found

    def _refined(self, points: int, seed: int) -> Cloud:
        """A cloud with nodes inside and on every part of the boundary that has a condition."""
        task = self.task
        for refinement in range(REFINEMENTS + 1):
            try:
                cloud = make_cloud(task.region, nodes=points << refinement, seed=seed, ghost=False)
                for row in task.system.boundary:
                    boundary_indices(row, task.system, cloud, task.region, task.values)
            except PdeslError as error:
                if getattr(error, "code", "") not in TOO_FEW or refinement == REFINEMENTS:
                    raise
            else:
                return cloud
        raise AssertionError
