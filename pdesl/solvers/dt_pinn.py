"""DT-PINN: a network trained on spatial derivatives by RBF-FD.

Steady problems minimise equation (12) of R. Sharma and V. Shankar (Accelerated training of
physics-informed neural networks using meshless discretizations, NeurIPS 2022),

    e(w) = 1/(Ni + Nb) ‖L ũ − … − f‖²  +  1/Nb ‖B ũ − g‖²,

with ũ the network at interior, boundary and ghost nodes, the PDE enforced at interior and
boundary nodes, the boundary operator at boundary nodes. Problems with time minimise equation
(16): the same on all time slices at once, time derivatives of the network exact (or differences
on the slices, which halves the cost), and a term for the initial condition. A system adds up its
equations. The terms of conditions are weighted by the sizes of their operators (`weights`),
unless options set weights.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.sharding import Mesh

from pdesl.ir.system import Row
from pdesl.lowering.batch import batch_jet
from pdesl.lowering.devices import divided, make_mesh, rows_of, summed
from pdesl.lowering.discrete import DiscreteSystem, to_discrete
from pdesl.lowering.emit import jax_namespace
from pdesl.lowering.halo import NodeParts, divide_nodes, to_discrete_parts
from pdesl.lowering.nodal import operator_words, to_nodal
from pdesl.lowering.places import Places, on_slices
from pdesl.lowering.pointwise import PointRow, to_pointwise
from pdesl.lowering.rows import chunked_rows, row_jacobian
from pdesl.lowering.taylor import Derivative, Plan, plan
from pdesl.lowering.time_stencils import time_matrices
from pdesl.solvers.base import Reporter, SolverResult, Task
from pdesl.solvers.networks import Network
from pdesl.solvers.neural_choices import HIGHEST_ORDER
from pdesl.solvers.nodes import make_nodes
from pdesl.solvers.options import DtPinnOptions
from pdesl.solvers.trained import new_network, time_slices, train
from pdesl.solvers.training import Residuals
from pdesl.solvers.weights import Term, describe_weights, make_terms, row_places, weighted_sum

__all__ = ["solve"]


class Data(eqx.Module):
    """What the loss reads: inputs (M, d), or (M·S, 1 + d) with slices running fastest.

    `time_axis` is the input that is time, None for a steady problem; `time_orders` counts the
    derivatives along it that are needed, the field itself included. With `time_matrices`
    (time orders − 1, S, S) they are differences on the slices, without the network's own.
    """

    inputs: Array
    rows: DiscreteSystem
    time_matrices: Array | None
    time_axis: int | None = eqx.field(static=True)
    time_orders: int = eqx.field(static=True)
    slices: int = eqx.field(static=True)
    terms: tuple[Term, ...] = eqx.field(static=True)


def time_jets(network: Network, data: Data) -> Array:
    """(M·S, derivatives · fields) at the inputs, orders running slowest; every mode of AD works.

    The derivatives are those that come from the network: with `time_matrices` the values alone.
    """
    if data.time_axis is None or data.time_matrices is not None:
        return chunked_rows(lambda net, x: net(x), network, data.inputs)
    values = time_plan(network.inputs, data.time_axis, data.time_orders, network.fields)
    return jnp.stack(values.evaluate(network, data.inputs), axis=1)


def nodal_values(jets: Array, data: Data) -> list[list[Array]]:
    """`values[k][f]`, as `lowering.discrete` asks for them, from the transpose of `time_jets`."""
    table = list(jets) if data.time_axis is None else [f.reshape(-1, data.slices) for f in jets]
    if data.time_matrices is not None:
        return [table, *([values @ matrix.T for values in table] for matrix in data.time_matrices)]
    fields = len(jets) // data.time_orders
    return [table[k * fields : (k + 1) * fields] for k in range(data.time_orders)]


def residuals(jets: Array, data: Data) -> list[Array]:
    """Residuals of every row at its nodes: interior, boundary, initial."""
    return data.rows.residuals(nodal_values(jets, data))


def loss(network: Network, data: Data) -> tuple[Array, Any]:
    """The weighted sum of mean squares, and its parts; for gradients in reverse mode."""
    from_network = 1 if data.time_matrices is not None else data.time_orders
    if from_network <= 2:
        axis = data.time_axis if from_network == 2 else None
        jets = jnp.concatenate(batch_jet(network, data.inputs, axis))
    else:
        jets = time_jets(network, data).T
    return weighted_sum(data.terms, [jnp.sum(r**2) for r in residuals(jets, data)])


def residual_vector(network: Network, data: Data) -> Array:
    """What the loss is the sum of squares of, (n,)."""
    return _weighted(time_jets(network, data).T, data)


def residual_jacobian(network: Network, data: Data) -> Array:
    """Its derivatives with respect to the parameters, (n, p): sparse rows times the network's."""

    def jets(network: Network, inputs: Array) -> Array:
        return time_jets(network, eqx.tree_at(lambda d: d.inputs, data, inputs))

    by_point = row_jacobian(jets, network, data.inputs)
    linear = jax.linearize(lambda table: _weighted(table, data), time_jets(network, data).T)[1]
    return jax.vmap(linear, in_axes=2, out_axes=1)(jnp.moveaxis(by_point, 0, 1))


def _weighted(jets: Array, data: Data) -> Array:
    found = zip(data.terms, residuals(jets, data), strict=True)
    return jnp.concatenate([term.factor * residual.ravel() for term, residual in found])


def solve(task: Task, reporter: Reporter) -> SolverResult:
    """Train a network on RBF-FD derivatives.

    Args:
        task: a system whose spatial derivatives have any order, in up to three dimensions;
            `options` are `DtPinnOptions`.
        reporter: hears of stages and progress.

    Returns:
        The network of the lowest loss.

    Raises:
        SolverError: nodes or stencils that cannot be made, a loss that is not finite.
        ProblemError: coefficients or data that are not finite at a node (E326).
    """
    options: DtPinnOptions = task.options
    system = task.system
    dtype = np.dtype(options.precision)
    network = new_network(task)
    cloud = make_nodes(task, ghost=options.ghost, reporter=reporter)
    times = time_slices(task)
    with reporter.stage("operators") as note:
        nodal = to_nodal(
            system,
            cloud,
            task.region,
            task.values,
            order=options.order,
            namespace=jax_namespace(),
            times=times,
            periods=task.periods,
        )
        mesh = make_mesh(task.devices)
        cut = None if mesh is None else divide_nodes(nodal, mesh.size)
        rows = to_discrete(nodal, dtype) if cut is None else to_discrete_parts(nodal, cut, dtype)
        placed = row_places(task, cloud, times, cloud.evaluation)
        terms = make_terms(task, placed)
        words = (operator_words(nodal, options.order), describe_weights(terms))
        note.text = "; ".join(filter(None, words))
    places, orders, matrices = cloud.points, 1, None
    if times is not None:
        jets = (j for row in system.all_rows for j in row.jets(system.space))
        orders = 1 + max(system.time_order(jet) for jet in jets)
        places = on_slices(cloud.points, None, times).inputs(system)
        if options.time_derivative == "stencils":
            # Two orders more than in space: between slices little is gained by fewer.
            matrices = np.asarray(time_matrices(times, orders - 1, options.order + 2), dtype)
    slices = 1 if times is None else len(times)
    inputs: Any = np.asarray(places, dtype)
    if cut is not None:
        inputs = inputs[on_all_slices(cut.nodes, slices)]
        matrices = None if matrices is None else np.stack([matrices] * cut.devices)
    data = Data(
        jnp.asarray(inputs) if cut is None else inputs,
        rows,
        None if matrices is None else jnp.asarray(matrices),
        None if times is None else system.frame.time_axis,
        orders,
        slices,
        terms,
    )
    if mesh is not None:
        data = divided(data, mesh)
    return train(
        task,
        network,
        summed(loss, mesh),
        data,
        cloud,
        method="dt_pinn",
        times=times,
        reporter=reporter,
        counts={"operator_nonzeros": nodal.nonzeros, "time_slices": data.slices},
        floor=make_floor(task, data, placed, mesh, cut),
        residuals=Residuals(rows_of(residual_vector, mesh), rows_of(residual_jacobian, mesh)),
        mesh=mesh,
        notes=tuple(filter(None, [describe_weights(terms)])),
        quality={"stencil_condition": nodal.condition},
    )


class Exact(eqx.Module):
    """The rows of equations and boundary with the network's own derivatives."""

    rows: tuple[PointRow, ...]
    data: Data


def on_all_slices(nodes: np.ndarray, slices: int) -> np.ndarray:
    """Numbers (…, m·S) of nodes on time slices, which run fastest, from those of nodes (…, m)."""
    return (nodes[..., None] * slices + np.arange(slices)).reshape(*nodes.shape[:-1], -1)


def make_floor(
    task: Task,
    data: Data,
    placed: Sequence[tuple[Row, Places, int]],
    mesh: Mesh | None = None,
    cut: NodeParts | None = None,
) -> Callable[[Any], float] | None:
    """What the error of the operators contributes to the loss of a network.

    The same weighted mean squares as in the loss, of the differences between residuals by RBF-FD
    and by exact derivatives of the network. Once the loss is as small, it measures the operators
    and no more the solution. None where that is switched off or a derivative is of an order that
    networks are not differentiated to.
    """
    options: DtPinnOptions = task.options
    system = task.system
    orders = [j.order for row in (*system.rows, *system.boundary) for j in row.jets(system.space)]
    if options.floor == 0.0 or max(orders) > HIGHEST_ORDER:
        return None
    dtype = np.dtype(options.precision)
    rows = tuple(
        to_pointwise(row, system, places, task.values, dtype)
        for row, places, _ in placed
        if row.kind != "initial"
    )
    if cut is not None:
        rows = tuple(
            row.parts(on_all_slices(chosen, data.slices), np.repeat(kept, data.slices, axis=1))
            for row, chosen, kept in zip(rows, cut.rows, cut.kept, strict=False)
        )

    def share(network: Any, exact: Exact) -> Array:
        ours = residuals(time_jets(network, exact.data).T, exact.data)[: len(exact.rows)]
        squares = []
        for residual, row in zip(ours, exact.rows, strict=True):
            known = chunked_rows(row.residual, network, row.data)
            squares.append(jnp.sum((residual.ravel() - known) ** 2))
        return weighted_sum(exact.data.terms[: len(squares)], squares)[0]

    exact = Exact(rows, data)
    if mesh is not None:
        exact = divided(exact, mesh)
    whole = eqx.filter_jit(summed(share, mesh))
    return lambda network: options.floor * float(whole(network, exact))


def time_plan(inputs: int, axis: int, orders: int, fields: int) -> Plan:
    """∂t^k of every field, k = 0 … orders − 1."""
    requests = []
    for k in range(orders):
        index = tuple(k if i == axis else 0 for i in range(inputs))
        requests += [Derivative(index, f) for f in range(fields)]
    return plan(requests)
