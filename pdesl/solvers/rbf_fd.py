"""The direct solver: RBF-FD collocation of a steady problem, by sparse factorisation and Newton.

Unknowns are the values of every field at all nodes. Interior rows hold at interior nodes and, where
there is one boundary condition for a ghost node to belong to, at boundary nodes as well; boundary
rows hold at boundary nodes. `assembly` has the rows and their Jacobian, `linear` the solution of
linear equations, `newton` that of nonlinear ones, which start from the solution on fewer nodes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np

from pdesl.diagnostics import PdeslError, SolverError
from pdesl.ir.integrals import Constants
from pdesl.ir.invariance import free_constants
from pdesl.ir.system import Row, System
from pdesl.lowering.cloud import Cloud
from pdesl.lowering.interpolant import NodalInterpolant
from pdesl.lowering.nodal import operator_words, to_nodal
from pdesl.solvers.assembly import Assembly
from pdesl.solvers.base import Evaluate, Reporter, SolverResult, Task
from pdesl.solvers.free_constants import PinnedSolver, refuse_incompatible
from pdesl.solvers.linear import LinearSolver, singular
from pdesl.solvers.newton import NewtonResult, newton
from pdesl.solvers.node_options import NodeOptions
from pdesl.solvers.nodes import coarser_nodes, make_nodes
from pdesl.solvers.options import RbfFdOptions
from pdesl.symbolic.functions import numpy_namespace

__all__ = ["Collocation", "collocate", "make_evaluate", "solve"]

# A nonlinear problem on more nodes than this starts from the solution on a share of them, if
# those are still enough to be near the solution on all.
FEW_NODES = 4000
# Constants that Newton's method starts from where zero leads nowhere.
OTHER_STARTS = (1.0, 1e3, 1e-2, 10.0, 100.0, -1.0)
COARSER = 8


@dataclass(frozen=True, slots=True)
class Collocation:
    """The equations of a task on nodes of their own, and what solves them."""

    cloud: Cloud
    assembly: Assembly
    solver: LinearSolver | PinnedSolver


def collocate(
    task: Task, own: NodeOptions, reporter: Reporter, free: Sequence[Constants] = ()
) -> Collocation:
    """The equations on the nodes that some options ask for, with the constants that are free.

    Raises:
        SolverError: E706 more or fewer rows than nodal values; nodes and stencils that cannot
            be made.
    """
    options: RbfFdOptions = task.options
    system = task.system
    orders = {system.order_in_space(f) for f in system.fields}
    # One condition: interior rows hold on the boundary too and the ghosts belong to it. Two:
    # the ghosts belong to the second. None (order 1): no ghosts.
    conditions = max(orders) // 2 if min(orders) > 1 else 0
    ghost = conditions == 2 or (conditions == 1 and options.ghost)
    cloud = make_nodes(task, ghost=ghost, reporter=reporter, options=own)
    with reporter.stage("operators") as note:
        nodal = to_nodal(
            system,
            cloud,
            task.region,
            task.values,
            order=options.order,
            namespace=numpy_namespace(),
            periods=task.periods,
            everywhere=_everywhere(system, conditions == 1 and ghost, len(cloud.boundary)),
        )
        note.text = operator_words(nodal, options.order)
    assembly = Assembly(nodal, len(system.fields))
    rows, columns = assembly.shape
    if rows != columns:
        raise SolverError(
            f"{rows:,} rows for {columns:,} nodal values: the boundary conditions do not fit the "
            "orders of the fields for collocation",
            code="E706",
            advice="choose `dt_pinn`, which minimises all residuals together",
        )
    points = cloud.evaluation
    unknowns = assembly.column_nodes(len(points))
    solver: LinearSolver | PinnedSolver
    solver = LinearSolver(points, assembly.row_nodes, unknowns)
    if free:
        shifted = tuple(system.fields.index(next(iter(constants))) for constants in free)
        solver = PinnedSolver(solver, shifted, len(cloud.points))
    return Collocation(cloud, assembly, solver)


def solve(task: Task, reporter: Reporter) -> SolverResult:
    """Solve a steady system on RBF-FD operators.

    Args:
        task: a steady system with as many conditions as its order needs; `options` are
            `RbfFdOptions`.
        reporter: hears of stages and Newton's residuals.

    Returns:
        The nodal solution with local polyharmonic interpolation in between, of the operators'
        order.

    Raises:
        SolverError: E704 a singular matrix, E705 no convergence of Newton, E701 a residual that
            is not finite, E706 rows and values of different number, E709 too little memory; or
            nodes and stencils that cannot be made.
    """
    options: RbfFdOptions = task.options
    system = task.system
    free = free_constants(system, task.values)
    if len(free) > len(system.integrals):
        raise singular(", ".join(f"`{f}`" for f in dict.fromkeys(f for c in free for f in c)))
    fine = collocate(task, options, reporter, free)
    cloud, assembly, solver = fine.cloud, fine.assembly, fine.solver
    linear = assembly.is_linear
    start = None if linear else coarse_start(task, cloud, reporter, free)
    with reporter.stage("solve") as note:
        found, constant = _from_some_start(assembly, solver, options, reporter, start)
        if isinstance(solver, PinnedSolver):
            refuse_incompatible(solver, assembly, found.values)
        made, products = solver.factorisations, solver.iterations
        chosen = (
            f"{found.factors.words}, {made} factorisation{'s' * (made > 1)}, "
            f"{products} GMRES step{'s' * (products > 1)}"
        )
        if start is not None:
            chosen += f", started from {len(cloud.evaluation) // COARSER:,} nodes"
        elif constant:
            chosen += f", started from {constant:g}"
        note.text = f"{chosen}, residual {found.history[-1]:.1e}"
    values, history = found.values, found.history
    interpolant = NodalInterpolant(
        cloud.points,
        values,
        degree=interpolation_degree(task),
        centres=len(cloud.evaluation),
        periods=task.periods,
    )
    return SolverResult(
        method="rbf_fd",
        evaluate=make_evaluate(interpolant, system.fields),
        cloud=cloud,
        arrays=interpolant.arrays(),
        attributes={
            "kind": "interpolant",
            "degree": interpolant.degree,
            "centres": interpolant.centres,
        },
        history={"iteration": np.arange(len(history)), "residual": np.asarray(history)},
        losses={"total": float(history[-1] ** 2)},
        counts={
            "interior_nodes": len(cloud.interior),
            "boundary_nodes": len(cloud.boundary),
            "ghost_nodes": len(cloud.ghost),
            "unknowns": assembly.shape[1],
            "operator_nonzeros": assembly.system.nonzeros,
            "factor_entries": found.factors.entries,
            "factorisations": made,
            "krylov_iterations": solver.iterations,
            "iterations": len(history) - 1,
        },
        stop_reason=f"{'solved' if linear else 'Newton converged'}: {chosen}",
        interrupted=False,
        compile_seconds=0.0,
        precision="float64",
        quality={"stencil_condition": assembly.system.condition},
    )


def _from_some_start(
    assembly: Assembly,
    solver: LinearSolver | PinnedSolver,
    options: RbfFdOptions,
    reporter: Reporter,
    start: np.ndarray | None,
) -> tuple[NewtonResult, float]:
    """Newton's method from `start`, else from zero or, where that leads nowhere, other constants.

    At zero an equation may have no value, 1/u, or no slope, u⁴. Returns the constant too.

    Raises:
        SolverError: what was wrong with the first start; see `newton`.
    """
    try:
        return newton(assembly, solver, options, reporter, start), 0.0
    except SolverError as error:
        if assembly.is_linear or start is not None or error.code == "E709":
            raise
        shape = assembly.fields, len(assembly.system.points)
        for constant in OTHER_STARTS:
            try:
                found = newton(assembly, solver, options, reporter, np.full(shape, constant))
            except SolverError:
                continue
            return found, constant
        raise


def coarse_start(
    task: Task, cloud: Cloud, reporter: Reporter, free: Sequence[Constants] = ()
) -> np.ndarray | None:
    """Nodal values (fields, M) from the solution on fewer nodes; None where there is none."""
    options: RbfFdOptions = task.options
    if len(cloud.evaluation) < FEW_NODES:
        return None
    fewer = coarser_nodes(options, len(cloud.evaluation), COARSER, cloud.dimension)
    silent = Reporter(_no_stage, lambda report: None, lambda line: None)
    with reporter.stage("start") as note:
        try:
            coarse = collocate(task, fewer, silent, free)
            found, _ = _from_some_start(coarse.assembly, coarse.solver, options, silent, None)
        except PdeslError as error:  # too few nodes for the order, a gap, no solution
            note.text = f"none from {len(cloud.evaluation) // COARSER:,} nodes ({error})"
            return None
        values = NodalInterpolant(
            coarse.cloud.points,
            found.values,
            degree=interpolation_degree(task),
            centres=len(coarse.cloud.evaluation),
            periods=task.periods,
        )(cloud.points)
        count = len(coarse.cloud.evaluation)
        note.text = f"{len(found.history) - 1} Newton steps on {count:,} nodes"
    return values if np.all(np.isfinite(values)) else None


def _everywhere(system: System, ghost: bool, boundary: int) -> tuple[str, ...] | None:
    """Names of the interior rows that hold on the boundary too, None for all.

    Without ghost nodes a field without a condition, as the pressure of a flow, leaves its place on
    the boundary to one of the rows of lowest order, the balance of mass.
    """
    if ghost or not boundary:
        return None
    names = {f for row in system.boundary for f in (j.field for j in row.jets(system.space))}
    lowest = sorted(system.rows, key=lambda row: _order(system, row))
    return tuple(row.name for row in lowest[: len(set(system.fields) - names)])


def _order(system: System, row: Row) -> int:
    return max((system.space_order(j) for j in row.jets(system.space)), default=0)


@contextmanager
def _no_stage(name: str) -> Iterator[Any]:
    yield SimpleNamespace(text="")


def interpolation_degree(task: Task) -> int:
    """ℓ of the interpolant: that of the operators, p + θ − 1, but no more than p + 1.

    With p + 1 the interpolation is of order p + 2, its gradient of order p + 1: below the error of
    the nodal values.
    """
    theta = max(task.system.order_in_space(f) for f in task.system.fields)
    return task.options.order + min(max(theta, 1), 2) - 1


def make_evaluate(interpolant: NodalInterpolant, fields: tuple[str, ...]) -> Evaluate:
    """An interpolant of all fields as a function that gives them by name."""

    def evaluate(inputs: np.ndarray) -> dict[str, np.ndarray]:
        found = interpolant(np.atleast_2d(np.asarray(inputs, dtype=float)))
        return {name: found[i] for i, name in enumerate(fields)}

    return evaluate
