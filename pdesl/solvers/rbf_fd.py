"""The direct solver: RBF-FD collocation of a steady problem, by sparse factorisation and Newton.

Unknowns are the values of every field at all nodes. Interior rows hold at interior nodes and, where
there is one boundary condition for a ghost node to belong to, at boundary nodes as well; boundary
rows hold at boundary nodes. The Jacobian is assembled from the same matrices,

    J = Σ linear terms  +  Σ_j diag(∂N/∂u_j) · matrix of jet j,

and a linear problem needs one factorisation. Newton's method is damped: a step is halved until
the norm of the residual falls (P. Deuflhard, Newton Methods for Nonlinear Problems, 2004,
section 3.1, with the simple monotonicity test).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse
import scipy.sparse.linalg

from pdesl.diagnostics import SolverError
from pdesl.lowering.cloud import make_cloud
from pdesl.lowering.nodal import NodalRow, NodalSystem, NodalTerm, to_nodal
from pdesl.lowering.rbffd import make_weights
from pdesl.solvers.base import Evaluate, Reporter, SolverResult, Task, TrainingReport
from pdesl.solvers.options import RbfFdOptions
from pdesl.symbolic.functions import numpy_namespace

__all__ = ["Assembly", "solve"]

# Test points evaluated with one batch of local interpolants.
EVALUATION_CHUNK = 8192
# A step is halved so often before Newton gives up.
MAXIMUM_HALVINGS = 12
# A row-scaled matrix with a larger condition number determines nothing in float64.
UNUSABLE_CONDITION = 1e14


@dataclass(frozen=True, slots=True)
class Assembly:
    """The residual of all rows and its Jacobian, rows in the order interior, boundary."""

    system: NodalSystem
    fields: int

    @property
    def rows(self) -> tuple[NodalRow, ...]:
        return (*self.system.interior, *self.system.boundary)

    @property
    def shape(self) -> tuple[int, int]:
        return sum(len(r.nodes) for r in self.rows), self.fields * len(self.system.points)

    def _apply(self, term: NodalTerm, row: NodalRow, values: np.ndarray) -> np.ndarray:
        own = values[term.field]
        return own[row.nodes] if term.matrix is None else term.matrix @ own

    def residual(self, values: np.ndarray) -> np.ndarray:
        """Residuals of all rows at nodal values (fields, M)."""
        parts = []
        for row in self.rows:
            total = row.forcing.copy()
            for term in row.linear:
                scale = 1.0 if term.coefficient is None else term.coefficient
                total += scale * self._apply(term, row, values)
            if row.nonlinear is not None:
                jets = [self._apply(t, row, values) for t in row.jets]
                with np.errstate(all="ignore"):
                    total = total + row.nonlinear(*jets, *row.columns)
            parts.append(total)
        return np.concatenate(parts)

    def jacobian(self, values: np.ndarray) -> Any:
        """The Jacobian of `residual` as a sparse matrix, fields as blocks of columns."""
        blocks = []
        for row in self.rows:
            line: list[Any] = [None] * self.fields
            terms = [(t, t.coefficient) for t in row.linear]
            if row.slopes is not None:
                jets = [self._apply(t, row, values) for t in row.jets]
                with np.errstate(all="ignore"):
                    slopes = row.slopes(*jets, *row.columns)
                terms += list(zip(row.jets, slopes, strict=True))
            for term, scale in terms:
                block = self._matrix(term, row)
                if scale is not None:
                    own = np.broadcast_to(np.asarray(scale, float), row.nodes.shape)
                    block = scipy.sparse.diags_array(own) @ block
                known = line[term.field]
                line[term.field] = block if known is None else known + block
            count = len(row.nodes), len(self.system.points)
            blocks.append([scipy.sparse.csr_matrix(count) if b is None else b for b in line])
        return scipy.sparse.bmat(blocks, format="csc")

    def _matrix(self, term: NodalTerm, row: NodalRow) -> Any:
        if term.matrix is not None:
            return term.matrix
        count = len(row.nodes)
        return scipy.sparse.csr_matrix(
            (np.ones(count), (np.arange(count), row.nodes)), (count, len(self.system.points))
        )

    def spans(self) -> list[tuple[str, slice]]:
        """Each row's name and its place in the residual."""
        found, start = [], 0
        for row in self.rows:
            found.append((row.name, slice(start, start + len(row.nodes))))
            start += len(row.nodes)
        return found


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
            is not finite; or nodes and stencils that cannot be made.
    """
    options: RbfFdOptions = task.options
    system = task.system
    orders = {system.order_in_space(f) for f in system.fields}
    # One condition: interior rows hold on the boundary too and the ghosts belong to it. Two:
    # the ghosts belong to the second. None (order 1): no ghosts.
    conditions = max(orders) // 2 if min(orders) > 1 else 0
    ghost = conditions == 2 or (conditions == 1 and options.ghost)
    with reporter.stage("nodes") as note:
        cloud = make_cloud(
            task.region, nodes=options.nodes, spacing=None, seed=options.seed, ghost=ghost
        )
        note.text = (
            f"{len(cloud.interior):,} interior, {len(cloud.boundary):,} boundary, "
            f"{len(cloud.ghost):,} ghost"
        )
    with reporter.stage("operators") as note:
        nodal = to_nodal(
            system,
            cloud,
            task.region,
            task.values,
            order=options.order,
            namespace=numpy_namespace(),
            periods=task.periods,
            interior_everywhere=(conditions == 1 and ghost) or not len(cloud.boundary),
        )
        note.text = f"{nodal.nonzeros:,} nonzeros, order {options.order}"
    assembly = Assembly(nodal, len(system.fields))
    rows, columns = assembly.shape
    if rows != columns:
        raise SolverError(
            f"{rows:,} rows for {columns:,} nodal values: the boundary conditions do not fit the "
            "orders of the fields for collocation",
            code="E706",
            advice="choose `dt_pinn`, which minimises all residuals together",
        )
    with reporter.stage("solve") as note:
        values, history = newton(assembly, options, reporter)
        note.text = f"{len(history) - 1} factorisations, residual {history[-1]:.1e}"
    evaluate = make_evaluate(cloud.points, values, system.fields, options.order, task)
    return SolverResult(
        method="rbf_fd",
        evaluate=evaluate,
        cloud=cloud,
        arrays={"points": cloud.points, "values": values},
        attributes={"order": options.order},
        history={"iteration": np.arange(len(history)), "loss": np.asarray(history) ** 2},
        losses={"total": float(history[-1] ** 2)},
        counts={
            "interior_nodes": len(cloud.interior),
            "boundary_nodes": len(cloud.boundary),
            "ghost_nodes": len(cloud.ghost),
            "unknowns": columns,
            "operator_nonzeros": nodal.nonzeros,
            "iterations": len(history) - 1,
        },
        stop_reason="solved"
        if all(r.nonlinear is None for r in assembly.rows)
        else "Newton's method converged",
        interrupted=False,
        compile_seconds=0.0,
        precision="float64",
    )


def newton(
    assembly: Assembly, options: RbfFdOptions, reporter: Reporter
) -> tuple[np.ndarray, list[float]]:
    """Nodal values with a vanishing residual, and the root mean squares met on the way.

    Converged when a step is below `tolerance` of the solution, or when the residual has fallen
    to rounding and does not fall any more.
    """
    import time

    begin = time.perf_counter()
    values = np.zeros((assembly.fields, len(assembly.system.points)))
    residual = _finite(assembly, values)
    history = [_size(residual)]
    linear = all(row.nonlinear is None for row in assembly.rows)
    for iteration in range(1, options.iterations + 1):
        step = _solve_linear(assembly.jacobian(values), -residual).reshape(values.shape)
        scale, accepted = 1.0, None
        for _ in range(1 if linear else MAXIMUM_HALVINGS):
            trial = values + scale * step
            changed = assembly.residual(trial)
            if np.all(np.isfinite(changed)) and (linear or _size(changed) < history[-1]):
                accepted = trial, changed
                break
            scale /= 2
        small = np.linalg.norm(step) <= options.tolerance * max(np.linalg.norm(values), 1e-300)
        if accepted is None:
            if small:
                return values, history  # at rounding: no step helps any more
            worst = max(assembly.spans(), key=lambda s: _size(residual[s[1]]))
            raise SolverError(
                f"Newton's method stalls in step {iteration} at a residual of {history[-1]:.1e}; "
                f"the largest part is {worst[0]}",
                code="E705",
                advice="start nearer to the solution by lowering the nonlinear parameter in steps, "
                "take more nodes, or choose `dt_pinn`",
            )
        values, residual = accepted
        history.append(_size(residual))
        reporter.train(
            TrainingReport(
                iteration,
                history[-1] ** 2,
                time.perf_counter() - begin,
                options.iterations,
                None,
                "newton",
            )
        )
        if linear or (small and scale == 1.0):
            return values, history
    raise SolverError(
        f"Newton's method has not converged in {options.iterations} steps; the residual is "
        f"{history[-1]:.1e}",
        code="E705",
        advice="raise `iterations`, or choose `dt_pinn`",
    )


def _size(residual: np.ndarray) -> float:
    with np.errstate(over="ignore"):
        return float(np.sqrt(np.mean(residual**2)))


def _finite(assembly: Assembly, values: np.ndarray) -> np.ndarray:
    residual = assembly.residual(values)
    for name, where in assembly.spans():
        if not np.all(np.isfinite(residual[where])):
            raise SolverError(
                f"{name} is not finite for fields that are zero everywhere",
                code="E701",
                advice="rewrite the equation so that it is defined at zero, or choose `dt_pinn`",
            )
    return residual


def _solve_linear(matrix: Any, right: np.ndarray) -> np.ndarray:
    """Solve with row scaling; rows of one problem differ by powers of the spacing."""
    sizes = np.asarray(abs(matrix).max(axis=1).todense()).ravel()
    if not np.all(sizes > 0):
        raise _singular()
    scaled: Any = scipy.sparse.csc_matrix(scipy.sparse.diags_array(1.0 / sizes) @ matrix)
    try:
        factor = scipy.sparse.linalg.splu(scaled)
    except RuntimeError:
        raise _singular() from None
    make_operator: Any = scipy.sparse.linalg.LinearOperator
    inverse = make_operator(
        scaled.shape, matvec=factor.solve, rmatvec=lambda x: factor.solve(x, "T"), dtype=float
    )
    size: Any = scipy.sparse.linalg.onenormest(inverse)
    if not size * scipy.sparse.linalg.norm(scaled, 1) < UNUSABLE_CONDITION:
        raise _singular()
    solution = factor.solve(right / sizes)
    # One step of refinement brings the residual of an ill-scaled factorisation to rounding.
    solution += factor.solve(right / sizes - scaled @ solution)
    return solution


def _singular() -> SolverError:
    return SolverError(
        "the equations do not determine the solution: their matrix is singular",
        code="E704",
        advice="with Neumann conditions alone the solution is free by a constant: fix a value on "
        "a part of the boundary, or add a term in the field itself",
    )


def make_evaluate(
    points: np.ndarray, values: np.ndarray, fields: tuple[str, ...], order: int, task: Task
) -> Evaluate:
    """Local interpolation of nodal values (fields, M) at any points."""
    dimension = points.shape[1]
    identity = [{(0,) * dimension: 1.0}]

    def evaluate(inputs: np.ndarray) -> dict[str, np.ndarray]:
        inputs = np.atleast_2d(np.asarray(inputs, dtype=float))
        found = np.empty((len(fields), len(inputs)))
        for start in range(0, len(inputs), EVALUATION_CHUNK):
            part = slice(start, start + EVALUATION_CHUNK)
            weights = make_weights(
                points, inputs[part], identity, order=order + 1, periods=task.periods
            )
            local = values[:, weights.indices]
            found[:, part] = np.einsum("fns,ns->fn", local, weights.values[:, :, 0])
        return {name: found[i] for i, name in enumerate(fields)}

    return evaluate
