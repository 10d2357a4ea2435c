"""The nodes that the options of a method ask for."""

from __future__ import annotations

from pdesl.lowering.cloud import Cloud, make_cloud
from pdesl.solvers.base import Reporter, Task
from pdesl.solvers.node_options import NodeOptions, load_nodes, spacing_function
from pdesl.symbolic.options import Loaded

__all__ = ["coarser_nodes", "make_nodes"]


def make_nodes(
    task: Task,
    *,
    ghost: bool,
    reporter: Reporter,
    options: NodeOptions | None = None,
) -> Cloud:
    """The cloud of a task: so many nodes, nodes at a spacing, or those of a file.

    Args:
        task: its options hold the seed, and the nodes unless `options` do.
        ghost: whether every boundary node gets a node outside.
        reporter: hears of the stage and of what was noticed in a file.
        options: where the nodes come from, for a method that keeps that in a part of its options.

    Raises:
        ProblemError: a spacing or a file that cannot be used (E53x).
        GeometryError: nodes that cannot be placed.
    """
    own: NodeOptions = task.options if options is None else options
    with reporter.stage("nodes") as note:
        cloud, remarks = _placed(task, own, ghost)
        note.text = (
            f"{len(cloud.interior):,} interior, {len(cloud.boundary):,} boundary, "
            f"{len(cloud.ghost):,} ghost"
        )
    for remark in remarks:
        reporter.say(remark)
    return cloud


def _placed(task: Task, own: NodeOptions, ghost: bool) -> tuple[Cloud, tuple[str, ...]]:
    if isinstance(own.nodes, Loaded):
        found = load_nodes(task.system, own.nodes, ghost=ghost)
        return found.cloud, found.notes
    spacing = None if own.spacing is None else spacing_function(task.system, own.spacing)
    seed = task.options.seed
    return make_cloud(task.region, nodes=own.nodes, spacing=spacing, seed=seed, ghost=ghost), ()


def coarser_nodes(own: NodeOptions, count: int, factor: int, dimension: int) -> NodeOptions:
    """Options for a `factor` fewer nodes, where some options gave `count`; none of a file."""
    if own.spacing is None:
        return NodeOptions(count // factor)
    return NodeOptions(None, own.spacing * float(factor) ** (1.0 / dimension))
