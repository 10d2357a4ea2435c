"""From a problem with something to learn to JAX: discretised in space, with the operator of A."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import scipy.sparse
import sympy

from pdesl.diagnostics import SolverError
from pdesl.ir.imex import ImexRow, to_imex
from pdesl.ir.system import System
from pdesl.lowering.attention import AttentionNetwork, make_attention
from pdesl.lowering.closures import ClosureNetwork, make_closure_network
from pdesl.lowering.conditions_at_nodes import assign_conditions
from pdesl.lowering.imex_spectral import degree_of_nonlinearity
from pdesl.lowering.learned import Learned
from pdesl.lowering.learned_system import LearnedSystem
from pdesl.lowering.periodic_grid import make_periodic_grid
from pdesl.lowering.space import GraphSpace, NodalSpace, RbfSpace, make_graph, make_grid
from pdesl.lowering.to_learned import Lowered, StiffTables, on_grid, on_nodes, without_space
from pdesl.lowering.to_nodal_imex import to_nodal_imex
from pdesl.solvers.base import Reporter, Task
from pdesl.solvers.fit_choices import FitChoices
from pdesl.solvers.fit_options import AttentionOptions
from pdesl.solvers.implicit_operators import (
    Combination,
    DenseOperator,
    DiagonalOperator,
    FourierOperator,
    ImplicitOperator,
)
from pdesl.solvers.implicit_sparse import operator_of_matrix
from pdesl.solvers.line_choices import LineChoices
from pdesl.solvers.nodes import make_nodes
from pdesl.symbolic.geometry import Graph

__all__ = ["discretise", "first_networks", "implicit_operator"]

# A stiff part on nodes whose factors are learned is a full matrix, up to this size.
MOST_DENSE = 4_000


def discretise(
    task: Task, system: System, lines: LineChoices | None, start: float, reporter: Reporter
) -> Lowered:
    """The system in evolution form as one of ordinary differential equations.

    Raises:
        SolverError: nodes, stencils or boundary conditions that cannot be (E710, E742, E743).
        ProblemError: values that are not finite (E326), without numerical form (E327), or
            formulas that cannot be learned with (E642, E643).
    """
    rows = to_imex(system)
    if lines is None:
        return without_space(system, rows, task.values, start)
    if lines.spectral:
        return _spectral(task, system, rows, lines, start, reporter)
    ghosts = False
    space: NodalSpace
    if lines.space == "rbf_fd":
        own = lines.space_options
        cloud = make_nodes(task, ghost=own.ghost, reporter=reporter, options=own)
        ghosts = own.ghost and len(cloud.ghost) == len(cloud.boundary)
        assignment = assign_conditions(system, cloud, task.region, task.values, ghosts=ghosts)
        space = RbfSpace(cloud, own.order, task.periods, assignment.ghosts)
    else:
        space = (
            make_graph(task.region)
            if isinstance(task.region, Graph)
            else make_grid(task.region, lines.points, lines.space_options.order)
        )
        assignment = assign_conditions(
            system, space.cloud, task.region, task.values, ghosts=False
        )  # fmt: skip
    with reporter.stage("operators") as note:
        bare = _without_learning(rows)
        plain = replace(system, initial=()) if system.closures else system
        nodal = to_nodal_imex(plain, bare, space, assignment, task.values, start)
        lowered = on_nodes(system, rows, space, assignment, nodal, task.values, start)
        note.text = f"{lowered.learned.size:,} values, {lines.space}"
        if not isinstance(space, GraphSpace):
            note.text += f" of order {space.order}"  # pyright: ignore[reportAttributeAccessIssue]
    return lowered


def _spectral(
    task: Task, system: System, rows: Sequence[ImexRow], lines: LineChoices, start: float,
    reporter: Reporter,
) -> Lowered:  # fmt: skip
    order = lines.space_options.order if lines.space == "finite_difference" else None
    degree, _ = degree_of_nonlinearity(system, rows)
    with reporter.stage("operators") as note:
        grid = make_periodic_grid(
            task.region, lines.points, degree=degree, difference_order=order
        )  # fmt: skip
        note.text = " × ".join(str(n) for n in grid.counts) + f" points, {lines.space}"
        return on_grid(system, rows, grid, task.values, start)


def _without_learning(rows: Sequence[ImexRow]) -> tuple[ImexRow, ...]:
    """The rows without their right-hand sides: what is left are the conditions."""
    return tuple(
        ImexRow(r.row, r.field, (), (), sympy.S.Zero, sympy.S.Zero, r.chosen_by) for r in rows
    )


class Coefficients(eqx.Module):
    """c(p) of a learned system, as a leaf of an operator."""

    system: LearnedSystem

    def __call__(self, learned: Learned) -> Any:
        return self.system.coefficients(learned)


def implicit_operator(lowered: Lowered) -> ImplicitOperator | None:
    """A(p) as an operator with its solves; None where there is no stiff part.

    Raises:
        SolverError: E753, too many values for a full matrix.
    """
    tables, grid = lowered.stiff, lowered.grid
    if tables.is_zero:
        return None
    if grid is not None:
        fields = len(lowered.learned.fields)
        plain = (lambda a: a[0, 0]) if fields == 1 else (lambda a: a)
        return FourierOperator(
            _values(tables, lowered.learned, plain), grid.counts, fields
        )  # fmt: skip
    if not tables.terms:
        return operator_of_matrix(tables.fixed)
    if all(_is_diagonal(t) for t in (tables.fixed, *tables.terms)):
        return DiagonalOperator(_values(tables, lowered.learned, lambda m: m.diagonal()))
    size = lowered.learned.size
    if size > MOST_DENSE:
        raise SolverError(
            f"the stiff part has {size:,} values, and one with unknown factors may have "
            f"{MOST_DENSE:,}",
            code="E753",
            advice="take fewer nodes, or a periodic grid",
        )
    return DenseOperator(_values(tables, lowered.learned, _full))


def _is_diagonal(matrix: Any) -> bool:
    """Whether a SciPy matrix (None: zero) has entries on its diagonal alone."""
    if matrix is None:
        return True
    own = matrix.tocoo()
    return not np.any((own.row != own.col) & (own.data != 0))


def _full(matrix: Any) -> np.ndarray:
    return matrix.toarray() if scipy.sparse.issparse(matrix) else np.asarray(matrix)


def _values(tables: StiffTables, system: LearnedSystem, plain: Any) -> Any:
    fixed = 0.0 if tables.fixed is None else plain(tables.fixed)
    if not tables.terms:
        return fixed
    terms = [plain(table) for table in tables.terms]
    return Combination(Coefficients(system), jnp.asarray(np.stack(terms)), jnp.asarray(fixed))


def first_networks(
    lowered: Lowered,
    choices: FitChoices,
    seed: int,
    scales: Mapping[str, tuple[float, ...]],
) -> tuple[ClosureNetwork | AttentionNetwork, ...]:
    """The networks of all closures with random weights; `scales` divide their inputs."""
    found = []
    learned = lowered.learned
    shape = lowered.grid.counts if lowered.grid is not None else (learned.places,)
    closures = lowered.system.problem.learned_closures
    for number, closure in enumerate(closures):
        kind, own = choices.networks[closure.name]
        scale = scales.get(closure.name) if own.normalise else None
        if isinstance(own, AttentionOptions):
            found.append(
                make_attention(
                    len(closure.inputs), size=own.size, heads=own.heads, deviation=own.deviation,
                    scale=scale, seed=seed + 1000 * number,
                )
            )  # fmt: skip
            continue
        hidden = own.hidden if isinstance(own.hidden, tuple) else (own.hidden,)
        grid = getattr(own, "scope", "") == "grid"
        found.append(
            make_closure_network(
                "convolution" if kind != "mlp" else "grid" if grid else "point",
                len(closure.inputs),
                hidden,
                own.activation,
                shape=shape,
                width=getattr(own, "width", 1),
                deviation=own.deviation,
                scale=scale,
                seed=seed + 1000 * number,
            )
        )
    return tuple(found)
